"""What each verb takes, and how its help teaches. What it does stands in a file, or folder, beside this one."""
