-- Each rule is reached through one of its predicates, if a table can find it: a whole value, the start or the end of a
-- value of known length, or a network of known length. Of several predicates that is taken which the fewest rules share.
-- Rules that have none are tried one after the other.
local rules = {}

local by_value = {}    -- header or ":url_path" -> value -> rules
local by_start = {}    -- header or ":url_path" -> length -> start -> rules
local by_end = {}      -- length -> end of the path -> rules
local by_network = {}  -- length -> { size, first -> rules }
local others = {}

local function rule(predicates)
  rules[#rules + 1] = prepare(predicates)
end

local function within(tables, key)
  local inner = tables[key]
  if not inner then
    inner = {}
    tables[key] = inner
  end
  return inner
end

-- The table and the key of each place where a rule would be found through a predicate; none if no table can.
local function places(it)
  local kind = it[1]
  if kind == "method_is" then return { { within(by_value, ":method"), it[2] } } end
  if kind == "path_is" then return { { within(by_value, ":url_path"), it[2] } } end
  if kind == "header_is" then return { { within(by_value, it[2]), it[3] } } end
  if kind == "path_starts_with" then return { { within(within(by_start, ":url_path"), #it[2]), it[2] } } end
  if kind == "header_starts_with" then return { { within(within(by_start, it[2]), #it[3]), it[3] } } end
  if kind == "path_ends_with" then return { { within(by_end, #it[2]), it[2] } } end
  local found = {}
  for _, each in ipairs(it.networks or {}) do
    local same_length = within(by_network, each.length)
    same_length.size = each.size
    found[#found + 1] = { within(same_length, "rules"), each.first }
  end
  return found
end

local function count_places()
  local counts = {}
  for _, each in ipairs(rules) do
    for _, it in ipairs(each) do
      for _, place in ipairs(places(it)) do
        local count = within(counts, place[1])
        count[place[2]] = (count[place[2]] or 0) + 1
      end
    end
  end
  return counts
end

local function rarest(each, counts)
  local best, fewest = {}, math.huge
  for _, it in ipairs(each) do
    local found, sharing = places(it), 0
    for _, place in ipairs(found) do sharing = sharing + counts[place[1]][place[2]] end
    if #found > 0 and sharing < fewest then best, fewest = found, sharing end
  end
  return best
end

-- Empty tables would be looked into at each request.
local function drop_empty(tables, depth)
  for key, inner in pairs(tables) do
    if depth > 1 then drop_empty(inner, depth - 1) end
    if next(inner) == nil then tables[key] = nil end
  end
end

local function ready()
  local counts = count_places()
  for _, each in ipairs(rules) do
    local found = rarest(each, counts)
    if #found == 0 then others[#others + 1] = each end
    for _, place in ipairs(found) do
      local same_key = within(place[1], place[2])
      same_key[#same_key + 1] = each
    end
  end
  drop_empty(by_value, 1)
  drop_empty(by_start, 2)
  drop_empty(by_end, 1)
  for length, same_length in pairs(by_network) do
    if next(same_length.rules) == nil then by_network[length] = nil end
  end
  rules = nil
end

local function value_of(name)
  if name == ":url_path" then return url_path() end
  return header(name)
end

local function any(candidates)
  if candidates then
    for index = 1, #candidates do
      if matches(candidates[index]) then return true end
    end
  end
  return false
end

local function denied()
  for name, rules_by_value in pairs(by_value) do
    local value = value_of(name)
    if value and any(rules_by_value[value]) then return true end
  end
  for name, lengths in pairs(by_start) do
    local value = value_of(name)
    if value then
      for length, rules_by_start in pairs(lengths) do
        if any(rules_by_start[string.sub(value, 1, length)]) then return true end
      end
    end
  end
  for length, rules_by_end in pairs(by_end) do
    if any(rules_by_end[string.sub(url_path(), -length)]) then return true end
  end
  for _, same_length in pairs(by_network) do
    if any(same_length.rules[math.floor(source() / same_length.size)]) then return true end
  end
  return any(others)
end

function envoy_on_request(request_handle)
  begin(request_handle)
  if denied() then deny() end
end
