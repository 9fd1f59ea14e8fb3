#!/usr/bin/env python3
"""A small agent (docs/agent-protocol.md), which forgets what it has not told: agent.py URL TOKEN NAME [LABEL=VALUE ...]"""
import datetime, json, subprocess, sys, tempfile, threading, time, urllib.error, urllib.request
SERVER, TOKEN, NAME, LABELS = sys.argv[1].rstrip("/"), sys.argv[2], sys.argv[3], dict(a.split("=", 1) for a in sys.argv[4:])
def ask(path, body, timeout=60):
    """Asks until there is an answer: its status, and what it says."""
    headers = {"Authorization": "Bearer " + TOKEN, "Content-Type": "application/json", "Testyard-Agent-Protocol": "1"}
    while True:
        try:
            request = urllib.request.Request(SERVER + "/api/v1" + path, json.dumps(body).encode(), headers)
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code not in (408, 429):
                return error.code, json.loads(error.read() or "{}")
        except (OSError, ValueError):
            pass
        time.sleep(2)
def run(job, environment, say):
    """Runs a job and says what it writes: how it ended."""
    command, name = job["command"], job["job"]
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "TESTYARD_JOB": name, **environment, **command.get("environment", {})}
    with tempfile.TemporaryDirectory() as folder:
        try:
            end = subprocess.run(command["argv"], input=command.get("stdin", "").encode(), env={"HOME": folder, **env}, cwd=folder,
                                 capture_output=True, timeout=command.get("timeout_s"), start_new_session=True)
        except subprocess.TimeoutExpired:
            return {"job": name, "how": "timed_out", "after_s": command["timeout_s"]}
        except OSError as error:
            return {"job": name, "how": "not_run", "message": str(error)}
    for stream, output in (("stdout", end.stdout), ("stderr", end.stderr)):
        say(name, stream, output.decode(errors="replace").removesuffix("\n").split("\n") if output else [])
    how = {"how": "signaled", "signal": -end.returncode} if end.returncode < 0 else {"how": "exited", "code": end.returncode}
    return {"job": name, **how}
def work(lease):
    path, fence, over, line = "/leases/" + lease["id"], {"generation": lease["generation"]}, threading.Event(), [0]
    def live():
        while not over.wait(lease["heartbeat_s"]):
            if ask(path + "/heartbeat", fence)[1].get("canceled", True):  # an answer without it says that the lease is lost
                over.set()
    def say(job, stream, texts):
        at = datetime.datetime.now(datetime.timezone.utc).isoformat()
        for n in range(0, len(texts), 50):  # a request has at most a mebibyte, a line 16 KiB here
            lines = [{"at": at, "job": job, "stream": stream, "text": text[:16384]} for text in texts[n:n + 50]]
            line[0] = ask(path + "/log", {**fence, "first": line[0], "lines": lines})[1].get("next", line[0])
    threading.Thread(target=live, daemon=True).start()
    def end(job):
        return {"job": job["job"], "how": "canceled"} if over.is_set() else run(job, lease["environment"], say)
    ask(path + "/results", {**fence, "results": [end(job) for job in lease["request"]["jobs"]]})
    over.set()
status, told = ask("/agents", {"name": NAME, "labels": LABELS, "version": "example", "protocol": 1})
TOKEN = told["token"] if status == 201 else sys.exit("not registered: " + told.get("detail", str(status)))
while True:
    status, lease = ask("/agents/claim", {"labels": LABELS, "wait_s": told["poll_s"]}, told["poll_s"] + 30)
    if status == 200 and lease["request"]["kind"] == "jobs":
        work(lease)
    elif status == 200:
        ask("/leases/" + lease["id"] + "/release", {"generation": lease["generation"], "reason": "it runs only jobs"})
    elif status != 204:
        sys.exit("no work: " + lease.get("detail", str(status)))
