-- What a script may name is what the server offers it: anything else is an error there, too.
stds.redis = {
  globals = {},
  read_globals = {
    "ARGV", "KEYS", "cjson", "cmsgpack", "struct",
    "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget",
    "rawset", "select", "setmetatable", "tonumber", "tostring", "type", "unpack", "xpcall",
    bit = { other_fields = true },
    math = { other_fields = true },
    string = { other_fields = true },
    table = { other_fields = true },
    redis = {
      fields = {
        "call", "pcall", "error_reply", "status_reply", "sha1hex", "log", "acl_check_cmd",
        "set_repl", "replicate_commands", "setresp", "breakpoint", "debug", "register_function",
        "REDIS_VERSION", "REDIS_VERSION_NUM", "REPL_ALL", "REPL_AOF", "REPL_REPLICA", "REPL_SLAVE",
        "REPL_NONE", "LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING",
      },
    },
    "require",  -- ours: qless_py/scripts.py joins the files
  },
}

std = "redis"
max_line_length = 100
max_cyclomatic_complexity = 10
