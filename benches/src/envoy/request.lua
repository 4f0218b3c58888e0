-- What rules ask of a request. Each part is read from Envoy at most once, when the first rule asks for it.
-- One request at a time runs in a worker, because nothing here yields.
local handle, headers, values, path, address

local function begin(request_handle)
  handle, headers, values = request_handle, request_handle:headers(), {}
  path, address = nil, nil
end

local function header(name)
  local value = values[name]
  if value == nil then
    value = headers:get(name) or false
    values[name] = value
  end
  return value
end

-- The path without the query.
local function url_path()
  if not path then
    local whole = header(":path") or ""
    local query = string.find(whole, "?", 1, true)
    path = query and string.sub(whole, 1, query - 1) or whole
  end
  return path
end

local function to_number(text)
  local a, b, c, d = string.match(text, "^(%d+)%.(%d+)%.(%d+)%.(%d+)")
  return ((a * 256 + b) * 256 + c) * 256 + d
end

-- The IPv4 address of the peer as a number.
local function source()
  if not address then
    address = to_number(handle:streamInfo():downstreamDirectRemoteAddress())
  end
  return address
end

-- A network such as 127.8.3.64/26: all addresses that give `first` when they are divided by `size`.
local function network(text)
  local base, length = string.match(text, "^(.+)/(%d+)$")
  local size = 2 ^ (32 - length)
  return { length = tonumber(length), size = size, first = math.floor(to_number(base) / size) }
end

local function starts_with(text, start)
  return text and string.sub(text, 1, #start) == start
end

local function contains(text, part)
  return text and string.find(text, part, 1, true) ~= nil
end

-- A predicate is a table: what it asks, then with what.
local tests = {
  method_is = function(it) return header(":method") == it[2] end,
  path_is = function(it) return url_path() == it[2] end,
  path_starts_with = function(it) return starts_with(url_path(), it[2]) end,
  path_ends_with = function(it) return string.sub(url_path(), -#it[2]) == it[2] end,
  path_contains = function(it) return contains(url_path(), it[2]) end,
  header_is = function(it) return header(it[2]) == it[3] end,
  header_starts_with = function(it) return starts_with(header(it[2]), it[3]) end,
  header_contains = function(it) return contains(header(it[2]), it[3]) end,
  header_is_not = function(it) return header(it[2]) ~= it[3] end,
  source_in = function(it)
    local number = source()
    for _, each in ipairs(it.networks) do
      if math.floor(number / each.size) == each.first then return true end
    end
    return false
  end,
}

-- Makes the predicates of a rule ready.
local function prepare(rule)
  for _, it in ipairs(rule) do
    it.test = tests[it[1]]
    if it[1] == "source_in" then
      it.networks = {}
      for index = 2, #it do it.networks[index - 1] = network(it[index]) end
    end
  end
  return rule
end

local function matches(rule)
  for index = 1, #rule do
    local it = rule[index]
    if not it.test(it) then return false end
  end
  return true
end

local function deny()
  handle:respond({ [":status"] = "403" }, "")
end
