"""HAProxy on a lab's hosts as on controllers: the same configuration on each, one virtual address.

    with Lab(3) as lab, Haproxy(lab) as proxy:
        proxy.backends["nova_osapi"][host].kill()

APIs are stand-ins of our own that answer 200, or 503 while `proxy.bad(...)`; Redis is real.
"""
import contextlib
import sys

VIRTUAL = "10.77.0.100"
APIS = {"keystone_public": 5000, "nova_osapi": 8774, "custom_board": 3000}
CLUSTERCHECK = 9200

API = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if os.path.exists(sys.argv[3]) else 200)
        self.end_headers()
    do_OPTIONS = do_HEAD = do_GET
    def log_message(self, *_):
        pass
class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        pass  # a check that hangs up early
Server((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
"""
GLOBAL = """\
global
  stats socket /run/haproxy/control.sock mode 600 level admin
  stats socket /var/lib/haproxy/stats mode 660 level user
  stats timeout 30s
  maxconn 2000
defaults
  timeout connect 1s
  timeout client 30s
  timeout server 30s
  timeout check 1s
  default-server inter 200 fall 2 rise 2
listen haproxy.stats
  bind 127.0.0.1:1993
  mode http
  stats enable
  stats uri /
  stats auth admin:letmein
"""
HTTP = """\
listen {name}
  bind {virtual}:{port} transparent
  mode http
  option httpchk GET /
{servers}"""
MYSQL = """\
listen mysql
  bind {virtual}:3306 transparent
  mode tcp
  option tcpka
  option httpchk
  stick-table type ip size 1000
  stick on dst
{servers}"""
REDIS = """\
listen redis
  bind {virtual}:6379 transparent
  mode tcp
  option tcp-check
  tcp-check send PING\\r\\n
  tcp-check expect string +PONG
  tcp-check send info\\ replication\\r\\n
  tcp-check expect string role:master
  tcp-check send QUIT\\r\\n
  tcp-check expect string +OK
{servers}"""


class Haproxy:
    """HAProxy, its backends and the virtual address (on the first host)."""

    def __init__(self, lab):
        self.lab = lab
        self.daemons, self.backends = {}, {}

    def __enter__(self):
        for name, port in [*APIS.items(), ("mysql", CLUSTERCHECK)]:
            for host in self.lab.hosts:
                self.backend(name, host, port)
        for host in self.lab.hosts:
            self.redis(host)
        self.lab.hosts[0].run(["ip", "addr", "add", f"{VIRTUAL}/32", "dev", "eth0"])
        for host in self.lab.hosts:
            self.start(host)
        self.settled()
        return self

    def __exit__(self, *_):
        pass  # the lab takes its hosts down

    def backend(self, name, host, port=None):
        """Starts (again) the stand-in of an API on a host."""
        port = port or APIS.get(name, CLUSTERCHECK)
        command = [sys.executable, "-I", "-S", "-c", API, host.ip, port, self._switch(name, host)]
        self.backends.setdefault(name, {})[host] = host.start(command, log=f"{name}.log")

    def redis(self, host):
        """Starts (again) Redis; all follow the first host's."""
        first = self.lab.hosts[0]
        follow = [] if host is first else ["--replicaof", first.ip, "6379"]
        command = ["redis-server", "--bind", host.ip, "--protected-mode", "no", "--save", "", *follow]
        self.backends.setdefault("redis", {})[host] = host.start(command, log="redis.log", folder=host.mine("redis"))

    def config(self):
        """The configuration, the same for all."""
        def servers(port, options):
            return "".join(f"  server {host.name} {host.ip}:{port} {options}\n" for host in self.lab.hosts)

        parts = [GLOBAL]
        for name, port in APIS.items():
            parts.append(HTTP.format(name=name, port=port, virtual=VIRTUAL, servers=servers(port, "check")))
        galera = f"backup check on-marked-down shutdown-sessions port {CLUSTERCHECK}"
        parts.append(MYSQL.format(virtual=VIRTUAL, servers=servers(3306, galera)))
        parts.append(REDIS.format(virtual=VIRTUAL, servers=servers(6379, "check")))
        return "".join(parts)

    def start(self, host, config=None):
        """Starts (again) HAProxy on a host; it counts as enabled."""
        host.etc("haproxy/haproxy.cfg", config or self.config())
        host.etc("systemd/system/multi-user.target.wants/haproxy.service", "")
        self.daemons[host] = host.start(["haproxy", "-Ws", "-f", "/etc/haproxy/haproxy.cfg"])
        self.lab.until(lambda: "Uptime" in self.tell(host, "show info"), what=f"HAProxy on {host.name}")

    def tell(self, host, line):
        """Says a line to the admin socket; the answer."""
        return host.run(["socat", "-t", "3", "-", "UNIX-CONNECT:/run/haproxy/control.sock"], input=line + "\n").stdout

    def _switch(self, name, host):
        return host.root / f"{name}.bad"

    @contextlib.contextmanager
    def bad(self, name, host):
        """The stand-in answers 503 meanwhile."""
        self._switch(name, host).touch()
        try:
            yield
        finally:
            self._switch(name, host).unlink()

    def status(self, host, backend):
        """{server: (status, check)} of a backend as one HAProxy has it."""
        rows = [line.split(",") for line in self.tell(host, f"show stat {backend} 4 -1").splitlines() if "," in line]
        names, rows = rows[0], rows[1:]
        status, check = names.index("status"), names.index("check_status")
        return {row[1]: (row[status], row[check].removeprefix("* ")) for row in rows}

    def up(self, host, backend):
        """Names of servers that are up."""
        return sorted(name for name, (status, _) in self.status(host, backend).items() if status.startswith("UP"))

    def settled(self):
        """Waits until every HAProxy sees all servers as they should be."""
        names = [host.name for host in self.lab.hosts]

        def well(host):
            everything = all(self.status(host, name)[each] == ("UP", "L7OK") for name in [*APIS, "mysql"] for each in names)
            return everything and self.up(host, "redis") == names[:1]

        for host in self.lab.hosts:
            self.lab.until(lambda host=host: well(host), what=f"{host.name} sees its backends")
