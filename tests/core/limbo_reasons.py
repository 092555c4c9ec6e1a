"""Where this package and x509-limbo differ on purpose, and why."""

_CN = "the CN beside a SAN is never read, so what stands in it cannot mislead"
_NUMBER = "RFC 5280 §6.3 asks for no CRL number, and easy-rsa, cfssl and `openssl ca` write none"
_TOOLS = "everyday tools make such certificates, and it changes nobody's identity (OpenSSL accepts them)"
_CA_HYGIENE = "identifiers of a CA that the operator configured, or of one it signed: they help to find a path, no more"
_EXTRA_USES = "pedantry of the web PKI: clientAuth is there, or the extension is absent"
_RSA_LENGTH = "a length that is no multiple of 8 weakens nothing"
_NAMES = "only an exact dNSName identifies a caller"
_LEAF_CA = "a CA's certificate is no caller's"

ACCEPTED_ON_PURPOSE = {
    "rfc5280::aki::cross-signed-root-missing-aki": _CA_HYGIENE,
    "crl::crlnumber-critical": _NUMBER,
    "crl::crlnumber-missing": _NUMBER,
    "rfc5280::aki::intermediate-missing-aki": _CA_HYGIENE,
    "rfc5280::aki::leaf-missing-aki": _TOOLS,
    "rfc5280::root-non-critical-basic-constraints": _TOOLS,
    "rfc5280::san::noncritical-with-empty-subject": _TOOLS,
    "webpki::eku::ee-critical-eku": _TOOLS,
    "webpki::san::san-critical-with-nonempty-subject": _TOOLS,
    "rfc5280::nc::permitted-dns-match-noncritical": "name constraints are obeyed, critical or not",
    "rfc5280::pc::ica-noncritical-pc": "policies are not asked for, so constraints on them mean nothing here",
    "rfc5280::ski::intermediate-missing-ski": _CA_HYGIENE,
    "rfc5280::ski::root-missing-ski": _CA_HYGIENE,
    "webpki::aki::root-with-aki-all-fields": _CA_HYGIENE,
    "webpki::aki::root-with-aki-authoritycertissuer": _CA_HYGIENE,
    "webpki::aki::root-with-aki-authoritycertserialnumber": _CA_HYGIENE,
    "webpki::aki::root-with-aki-ski-mismatch": _CA_HYGIENE,
    "webpki::cn::case-mismatch": _CN,
    "webpki::cn::not-in-san": _CN,
    "webpki::cn::punycode-not-in-san": _CN,
    "webpki::cn::utf8-vs-punycode-mismatch": _CN,
    "webpki::eku::ee-anyeku": _EXTRA_USES,
    "webpki::eku::ee-without-eku": _EXTRA_USES,
    "webpki::eku::root-has-eku": _EXTRA_USES,
    "webpki::forbidden-rsa-key-not-divisible-by-8-in-leaf": _RSA_LENGTH,
    "webpki::forbidden-rsa-not-divisible-by-8-in-root": _RSA_LENGTH,
}

REFUSED_ON_PURPOSE = {
    "pathlen::max-chain-depth-1-self-issued": "self-issued certificates count like others",
    "pathlen::self-issued-certs-pathlen": "self-issued certificates count like others",
    "pathlen::validation-ignores-pathlen-in-leaf": _LEAF_CA,
    "rfc5280::ca-as-leaf": _LEAF_CA,
    "rfc5280::nc::permitted-dn-match": "constraints on directory names are not understood, so the path is refused",
    "rfc5280::nc::permitted-ipv4-match": _NAMES,
    "rfc5280::nc::permitted-ipv6-match": _NAMES,
    "rfc5280::validity::notafter-fractional": "a life ends with the second that is named, not with the next",
    "webpki::nc::nc-permits-dns-san-pattern": _NAMES,
    "webpki::san::exact-localhost-ip-san": _NAMES,
    "webpki::san::leftmost-wildcard-san": _NAMES,
}
