// What the steps of a user need beyond requests: when it is over, and pauses.
let began = 0;
let users = 0;

module.exports = { goesOn, pause };

// An answer with a wrong status is an error.
RUN.calls.forEach(({ expect }, number) => {
  module.exports[`check${number}`] = (request, response, context, events, next) => {
    const status = response.statusCode;
    if (expect.length ? !expect.includes(status) : status >= 400) {
      events.emit("error", `status ${status}`);
    }
    const isSafe = !RUN.safe || (read(response.body) || {}).load_test_mode === true;
    // An error ends the user, and nobody comes after those of the beginning.
    next(isSafe ? undefined : new Error("the target did not say that it keeps nothing of a load test"));
  };
});

function goesOn(context, next) {
  next(Date.now() - began < SECONDS * 1000);
}

async function pause(context) {
  began = began || Date.now();
  if (context.vars.user === undefined) {
    context.vars.user = users++;
  }
  await new Promise((resolve) => setTimeout(resolve, pauseOf(context.vars.user) * 1000));
}
