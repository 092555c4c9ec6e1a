"""What happens in the engine in one step. The keys of a deployment share a hash tag, so they lie in one slot.

Each script reads before it writes and is bounded in what it returns. Numbers that only grow begin at the engine's time
in microseconds, and never fall behind it: after a flush or a failover none comes twice.
"""

_NUMBER = """
local function number_of(value)
  local number = tonumber(value or '0')
  if number and number >= 0 and number < 9e15 then return number end
  return 0
end
"""

_NEXT = (
    _NUMBER
    + """
local function next_of(key, field)
  local time = redis.call('TIME')
  local now = time[1] * 1000000 + time[2]
  local number = string.format('%.0f', math.max(number_of(redis.call('HGET', key, field)) + 1, now))
  redis.call('HSET', key, field, number)
  return number
end
"""
)

GLANCE = (
    _NUMBER
    + """
local seen = redis.call('HMGET', KEYS[1], 'e', 'v', 'f')
for index = 1, 2 do
  if not seen[index] or #seen[index] > 32 then seen[index] = '' end
end
return {seen[1], seen[2], string.format('%.0f', number_of(seen[3])), redis.call('EXISTS', KEYS[2])}
"""
)
"""Keys: state, lease. Return epoch, version, fence, and whether somebody has the lease."""

LIST = """
local found, kinds = {}, {}
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  local kind, name = string.match(field, '^h:(%l+):(%x+)$')
  if kind and (kinds[kind] or 0) < tonumber(ARGV[1]) then
    local header = redis.call('HGET', KEYS[1], field)
    if #header <= tonumber(ARGV[2]) then
      kinds[kind] = (kinds[kind] or 0) + 1
      found[#found + 1] = kind .. ':' .. name
      found[#found + 1] = header
    end
  end
  if #found >= 16 * tonumber(ARGV[1]) then break end
end
return found
"""
"""Key: state. Arguments: entries of a kind, bytes of a header. Return names and headers in turn."""

SLICE = """
return string.sub(redis.call('HGET', KEYS[1], ARGV[1]) or '', ARGV[2], ARGV[3])
"""
"""Key: state. Arguments: field, first and last byte, counted from one. Return as much of that as there is."""

PUT = (
    _NEXT
    + """
local name, header, fence = ARGV[1], ARGV[2], ARGV[3]
local last = number_of(redis.call('HGET', KEYS[1], 't:' .. name))
if last > tonumber(fence) and last <= number_of(redis.call('HGET', KEYS[1], 'f')) then return 0 end
local function drop(entry, from)
  local index = from
  while redis.call('HDEL', KEYS[1], 'c:' .. entry .. ':' .. index) == 1 do index = index + 1 end
end
if redis.call('HEXISTS', KEYS[1], 'e') == 0 then
  redis.call('HSET', KEYS[1], 'e', next_of(KEYS[1], 'v'))
end
redis.call('HSET', KEYS[1], 'h:' .. name, header, 't:' .. name, fence)
local dropped = tonumber(ARGV[5])
for index = 1, dropped do
  redis.call('HDEL', KEYS[1], 'h:' .. ARGV[5 + index], 't:' .. ARGV[5 + index])
  drop(ARGV[5 + index], 0)
end
local parts = #ARGV - 5 - dropped
for index = 1, parts do
  redis.call('HSET', KEYS[1], 'c:' .. name .. ':' .. (index - 1), ARGV[5 + dropped + index])
end
drop(name, parts)
next_of(KEYS[1], 'v')
redis.call('EXPIRE', KEYS[1], ARGV[4])
return 1
"""
)
"""Key: state. Arguments: name, header, fence, seconds to keep, how many names to drop, they, the parts.

Return 1, or 0 where the entry was put under a higher fence, as far as anybody was given that one."""

TAKE = (
    _NEXT
    + """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  redis.call('EXPIRE', KEYS[2], ARGV[3])
  return next_of(KEYS[2], 'f')
end
return ''
"""
)
"""Keys: lease, state. Arguments: owner, milliseconds, seconds to keep.

Return the new fence, or nothing where somebody else has it."""

RENEW = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""
"""Key: lease. Arguments: owner, milliseconds."""

RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
"""Key: lease. Argument: owner."""

NOW = "return redis.call('TIME')[1]"
"""Key: any of a deployment, for the node that answers in a cluster. Return the engine's time in seconds."""

PUBLISH = """
local folded = redis.call('GET', KEYS[2])
if folded then return folded end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return ''
"""
"""Keys: members, and what is known of this one's end. Arguments: id, report, seconds to keep.

Return the digest of what was folded of this process, or nothing where it was written."""

REPORTS = """
local sum = redis.call('HGET', KEYS[2], 'sum') or ''
if #sum > tonumber(ARGV[1]) then sum = '' end
local found, bytes = {redis.call('TIME')[1], sum}, 0
local members = redis.call('HGETALL', KEYS[1])
for index = 1, #members, 2 do
  local report = members[index + 1]
  local is_folded = redis.call('EXISTS', KEYS[1] .. ':' .. members[index]) == 1
  local fits = #report <= tonumber(ARGV[1]) and bytes + #report <= tonumber(ARGV[2])
  if #members[index] == 32 and fits and not is_folded then
    bytes = bytes + #report
    found[#found + 1] = members[index]
    found[#found + 1] = report
  end
end
return found
"""
"""Keys: members, past. Arguments: bytes of a report, and of all. Return time, sum, and ids and reports in turn."""

ENDED = """
local now = tonumber(redis.call('TIME')[1])
local walked = tonumber(redis.call('HGET', KEYS[2], 'walked') or '0') or 0
if now >= walked and now - walked < tonumber(ARGV[1]) then return {} end
redis.call('HSET', KEYS[2], 'walked', now)
local found = {}
local members = redis.call('HGETALL', KEYS[1])
for index = 1, #members, 2 do
  local at, runs = string.match(members[index + 1], '^(%d+) (%d) ', 65) -- behind the HMAC, which Python checks
  local age = now - tonumber(at or '0')
  local name, report = members[index], members[index + 1]
  if #name ~= 32 or #report > tonumber(ARGV[3]) or redis.call('EXISTS', KEYS[1] .. ':' .. name) == 1 then
    redis.call('HDEL', KEYS[1], name) -- nobody wrote that, or it is in the sum already
  elseif #found < 64 and (runs ~= '1' or age > tonumber(ARGV[2])) then
    found[#found + 1] = members[index]
    found[#found + 1] = members[index + 1]
  end
end
if #found == 0 then return {} end
local sum = redis.call('HGET', KEYS[2], 'sum') or ''
if #sum > tonumber(ARGV[3]) then
  redis.call('HDEL', KEYS[2], 'sum')
  sum = ''
end
return {sum, unpack(found)}
"""
"""Keys: members, past. Arguments: seconds between two walks, and after which a process has ended; bytes of a report.

Return the sum, and ids and reports of processes that ended in turn; nothing where there are none."""

DROP = """
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then return redis.call('HDEL', KEYS[1], ARGV[1]) end
return 0
"""
"""Key: members. Arguments: id, and the report that is none."""

FOLD = """
if (redis.call('HGET', KEYS[2], 'sum') or '') ~= ARGV[1] then return 0 end
for index = 5, #ARGV, 3 do
  if redis.call('HGET', KEYS[1], ARGV[index]) ~= ARGV[index + 1] then return 0 end
end
redis.call('HSET', KEYS[2], 'sum', ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[3])
for index = 5, #ARGV, 3 do
  redis.call('HDEL', KEYS[1], ARGV[index])
  redis.call('SET', KEYS[3 + (index - 5) / 3], ARGV[index + 2], 'EX', ARGV[4])
end
return 1
"""
"""Keys: members, past, and one for the end of each process that is folded.

Arguments: old sum, new sum, seconds to keep it, seconds to know of the ends, and id, report and digest of each process.
Return 1, or 0 where somebody was faster."""
