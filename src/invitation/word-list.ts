/**
 * 256 short words that sound different on the telephone, one for each byte. Never reordered,
 * because two agents must show the same four words.
 */
export const WORDS: readonly string[] = `
  acorn actor album alley amber anchor angle apple april apron arrow atlas attic autumn badge
  baker bamboo banana barrel basil basket beacon beaver bell berry birch bishop blanket bottle
  bridge bronze broom bucket butter button cabin cactus camel candle canoe canvas carbon carpet
  carrot castle cedar cello cherry chess chimney cider circle clay cliff clock clover coal cocoa
  coffee comet copper coral cotton cougar crater cricket crystal cube curtain daisy dancer delta
  desert diamond dingo doctor dolphin donkey dragon drum duck eagle easel echo elbow elder elm
  ember engine ermine falcon feather fender fern fiddle finger flag flute forest fossil fox frost
  galaxy garden garlic gecko ginger giraffe glacier glove goblet gold grape gravel guitar hammer
  harbor hazel helmet heron hobby honey hotel husky ice igloo indigo insect iron ivory jacket
  jaguar jasmine jelly jester jockey judge jungle kayak kettle kiosk kitten koala ladder lagoon
  lantern lemon leopard lily linen lion lizard lobster locket lotus magnet mango maple marble
  meadow melon metal minute mirror monkey moss motor muffin museum napkin nectar needle nickel
  night noodle nutmeg oak oasis ocean olive onion opal orange orbit orchid otter oven oxygen
  paddle palace panda papaya parrot pebble pelican pencil pepper piano pigeon pilot planet plum
  pocket pond poppy prism pumpkin puppet quartz queen quill rabbit radar radish raven ribbon river
  robot rocket ruby saddle sailor salmon sandal saturn scarf silver spider spoon squid statue
  sugar summer sunset swan table tango tiger toast tomato tulip tunnel turtle valley vanilla
  velvet violin walnut whale willow window winter wizard yogurt zebra zipper
`
  .trim()
  .split(/\s+/);
