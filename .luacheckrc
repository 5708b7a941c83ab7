-- What a script may name is what the server offers it: anything else is an error there, too.
local function only(...)
  local fields = {}
  for _, name in ipairs({ ... }) do
    fields[name] = {}
  end
  return { fields = fields }
end

stds.redis = {
  read_globals = {
    "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget",
    "rawset", "select", "setmetatable", "tonumber", "tostring", "type", "unpack", "xpcall",
    math = only(
      "abs", "acos", "asin", "atan", "atan2", "ceil", "cos", "cosh", "deg", "exp", "floor", "fmod",
      "frexp", "huge", "ldexp", "log", "log10", "max", "min", "modf", "pi", "pow", "rad", "random",
      "randomseed", "sin", "sinh", "sqrt", "tan", "tanh"
    ),
    string = only(
      "byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "rep",
      "reverse", "sub", "upper"
    ),
    table = only("concat", "insert", "maxn", "remove", "sort"),
    bit = only(
      "arshift", "band", "bnot", "bor", "bswap", "bxor", "lshift", "rol", "ror", "rshift", "tobit",
      "tohex"
    ),
    cjson = only("decode", "encode", "null"),
    cmsgpack = only("pack", "unpack", "unpack_limit", "unpack_one"),
    struct = only("pack", "size", "unpack"),
    redis = only(
      "LOG_DEBUG", "LOG_NOTICE", "LOG_VERBOSE", "LOG_WARNING", "REDIS_VERSION",
      "REDIS_VERSION_NUM", "call", "error_reply", "log", "pcall", "sha1hex", "status_reply",
      "quarantine",  -- ours: lua/lib/core/guard.lua
      "register_function"
    ),
    "require",  -- ours: qless_py/scripts/assemble.py joins the files
  },
}

std = "redis"
max_line_length = 100
max_cyclomatic_complexity = 10

-- The arguments of a function of the library, which modules do not see.
for _, folder in ipairs({ "lua/*.lua", "lua/read/*.lua" }) do
  files[folder] = { read_globals = { "ARGV", "KEYS" } }
end
