-- Decides a batch of claims of one process, atomically. ARGV: prefix of all keys, name
-- of the process, and the batch as JSON:
--   alive_s: a process that was silent for longer counts no more
--   adds: {{key, count, floor, end}}: counted without the broker, or known only now
--   held: {{key, count}}: requests in flight of this process, as it knows them
--   claims: {{counters = {{key, cost, maximum, floor, end}}, places = {{key, maximum}},
--             size}}
-- Returns JSON: for each claim, whether it is admitted and the values before it.
-- floor: what the process knew, in case that the broker has lost it.
local prefix, me, batch = ARGV[1], ARGV[2], cjson.decode(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local living = prefix .. 'alive'
redis.call('ZADD', living, now, me)
redis.call('ZREMRANGEBYSCORE', living, '-inf', now - batch.alive_s)
local alive = {}
for _, name in ipairs(redis.call('ZRANGE', living, 0, -1)) do alive[name] = true end

local function value_of(key, floor)
  return math.max(tonumber(redis.call('GET', prefix .. key) or 0), floor)
end

local function store(key, value, ends)
  redis.call('SET', prefix .. key, string.format('%.0f', value), 'EXAT', ends)
end

local places = {}
local function place_of(key)
  if places[key] == nil then
    local mine, others, name = 0, 0, prefix .. 'held:' .. key
    local flat = redis.call('HGETALL', name)
    for i = 1, #flat, 2 do
      if flat[i] == me then
        mine = tonumber(flat[i + 1])
      elseif alive[flat[i]] then
        others = others + tonumber(flat[i + 1])
      else
        redis.call('HDEL', name, flat[i])
      end
    end
    places[key] = { mine = mine, others = others }
  end
  return places[key]
end

local function hold(key, count)
  local name = prefix .. 'held:' .. key
  place_of(key).mine = count
  if count > 0 then
    redis.call('HSET', name, me, count)
    redis.call('EXPIRE', name, 60)
  else
    redis.call('HDEL', name, me)
  end
end

for _, add in ipairs(batch.adds) do
  store(add[1], value_of(add[1], add[3]) + add[2], add[4])
end
for _, held in ipairs(batch.held) do hold(held[1], held[2]) end

local answers = {}
for i, claim in ipairs(batch.claims) do
  local admitted, values = true, {}
  for _, counter in ipairs(claim.counters) do
    local value = value_of(counter[1], counter[4])
    values[#values + 1] = value
    if value + math.max(counter[2], 1) > counter[3] then admitted = false end
  end
  for _, place in ipairs(claim.places) do
    local held = place_of(place[1])
    values[#values + 1] = held.mine + held.others
    if held.mine + held.others + claim.size > place[2] then admitted = false end
  end
  if admitted then
    for n, counter in ipairs(claim.counters) do
      if counter[2] > 0 then store(counter[1], values[n] + counter[2], counter[5]) end
    end
    for _, place in ipairs(claim.places) do
      hold(place[1], place_of(place[1]).mine + claim.size)
    end
  end
  answers[i] = { admitted, values }
end
return cjson.encode(answers)
