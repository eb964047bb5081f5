// When what is to happen: the stages of RUN, whose level goes in a straight line from one number to another.
const SECONDS = RUN.stages.reduce((sum, stage) => sum + stage.seconds, 0);

// After how many seconds the stages have covered an area (level times seconds); null when they never do.
function secondsFor(area) {
  let passed = 0;
  let left = area;
  for (const { seconds, from, to } of RUN.stages) {
    const own = ((from + to) / 2) * seconds;
    if (left < own) {
      const slope = (to - from) / seconds;
      const root = Math.sqrt(Math.max(0, from * from + 2 * slope * left));
      return passed + (left <= 0 ? 0 : (2 * left) / (from + root));
    }
    left -= own;
    passed += seconds;
  }
  return null;
}

// How long (s) the n-th user pauses: exponentially distributed about its mean.
function pauseOf(number) {
  const mean = RUN.thinks[number % RUN.thinks.length];
  return mean > 0 ? -mean * Math.log(1 - Math.random()) : 0;
}

// The user's next message, under an id that nobody else uses.
function messageFor(user, count) {
  const message = RUN.messages[(user + count) % RUN.messages.length];
  return Object.assign({}, message, { id: `${RUN.prefix}-${user}-${count}` });
}

// The id an answer carries, looked for in the usual places.
function idIn(body) {
  if (typeof body !== "object" || body === null) {
    return null;
  }
  for (const place of RUN.id_places) {
    if (typeof body[place] === "string" && body[place].startsWith(RUN.prefix)) {
      return body[place];
    }
  }
  for (const inner of [body.metadata, body.data]) {
    const found = idIn(inner);
    if (found !== null) {
      return found;
    }
  }
  return null;
}

function read(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    return null;
  }
}
