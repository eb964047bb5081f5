import http from "k6/http";
import { check, sleep } from "k6";
import exec from "k6/execution";

export const options = OPTIONS;

export default function () {
  const user = exec.vu.idInTest - 1;
  const call = RUN.calls[exec.scenario.iterationInTest % RUN.calls.length];
  const answer = http.request(call.method, RUN.url + call.path, call.body, {
    headers: call.headers,
    redirects: 0,
    timeout: `${RUN.timeout_s}s`,
    tags: { name: `${call.method} ${call.path}` },
    responseCallback: call.expect.length ? http.expectedStatuses(...call.expect) : http.expectedStatuses({ min: 200, max: 399 }),
  });
  check(answer, {
    "status is right": ({ status }) => (call.expect.length ? call.expect.includes(status) : status > 0 && status < 400),
  });
  if (RUN.safe && (read(answer.body) || {}).load_test_mode !== true) {
    exec.test.abort("the target did not say that it keeps nothing of a load test");
  }
  if (RUN.model === "closed") {
    sleep(pauseOf(user));
  }
}
