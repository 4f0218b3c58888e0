-- One rule after the other.
local rules = {}

local function rule(predicates)
  rules[#rules + 1] = prepare(predicates)
end

local function ready()
end

function envoy_on_request(request_handle)
  begin(request_handle)
  for index = 1, #rules do
    if matches(rules[index]) then return deny() end
  end
end
