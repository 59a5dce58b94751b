"""Redis with Sentinels on a lab's hosts: the first host is the primary, each has a Sentinel.

    with Lab(3) as lab:
        redis = Redis(lab)
        redis.start()
        redis.server[lab.hosts[0]].kill()

Quick to notice: a primary is given up after one second. Units are "enabled", so that
what was killed is missed.
"""
SERVER = """\
bind 127.0.0.1 {host.ip}
port 6379
protected-mode no
dir {folder}
daemonize no
repl-diskless-sync yes
repl-diskless-sync-delay 0
repl-ping-replica-period 1
replica-announce-ip {host.ip}
"""
SENTINEL = """\
bind 127.0.0.1 {host.ip}
port 26379
protected-mode no
dir {folder}
sentinel announce-ip {host.ip}
sentinel monitor main {primary.ip} 6379 {quorum}
sentinel down-after-milliseconds main 1000
sentinel failover-timeout main 4000
"""


class Redis:
    """Servers and Sentinels by host; `more` is added to every redis.conf, `password` is asked of all."""

    def __init__(self, lab, more="", password=None):
        self.lab, self.more, self.password = lab, more, password
        self.server, self.sentinel = {}, {}

    def start(self, sentinels=True):
        """Brings all up and waits until they know each other."""
        for host in self.lab.hosts:
            self.install(host)
            self.start_server(host)
        self.lab.until(self.in_sync, what="all replicas online")
        if sentinels:
            for host in self.lab.hosts:
                self.start_sentinel(host)
            self.lab.until(self.agreed, what="all Sentinels know each other")

    def install(self, host):
        """Writes a host's configuration; replicas follow the first host."""
        folder, primary = host.mine("redis", user="redis"), self.lab.hosts[0]
        text = SERVER.format(host=host, folder=folder) + self.more
        if host is not primary:
            text += f"replicaof {primary.ip} 6379\n"
        watch = SENTINEL.format(host=host, folder=folder, primary=primary, quorum=len(self.lab.hosts) // 2 + 1)
        if self.password:
            text += f"requirepass {self.password}\nmasterauth {self.password}\n"
            watch += f"sentinel auth-pass main {self.password}\n"
        (host.folder / "etc/redis").mkdir(exist_ok=True)
        for stale in (host.folder / "etc/redis").glob("*.conf"):
            stale.unlink()
        host.run(["chown", "redis:redis", "/etc/redis"])
        host.etc("redis/redis.conf", text, owner="redis", mode=0o640)
        host.etc("redis/sentinel.conf", watch, owner="redis", mode=0o640)
        host.etc("systemd/system/multi-user.target.wants/redis-server.service", "")

    def start_server(self, host):
        """Starts (again) a host's server with the configuration it has."""
        self.server[host] = host.start(["redis-server", "/etc/redis/redis.conf"], user="redis", log="redis.log")
        self.lab.until(lambda: "PONG" in self.say(host, "PING"), what="redis answers")

    def start_sentinel(self, host):
        """Starts (again) a host's Sentinel."""
        host.etc("systemd/system/multi-user.target.wants/redis-sentinel.service", "")
        command = ["redis-sentinel", "/etc/redis/sentinel.conf"]
        self.sentinel[host] = host.start(command, user="redis", log="sentinel.log")
        self.lab.until(lambda: "PONG" in self.ask(host, "PING"), what="a Sentinel answers")

    def say(self, host, *words):
        """What a host's server answers."""
        password = ["-a", self.password, "--no-auth-warning"] if self.password else []
        return host.run(["redis-cli", *password, *words], check=False).stdout

    def ask(self, host, *words):
        """What a host's Sentinel answers."""
        return host.run(["redis-cli", "-p", "26379", *words], check=False).stdout

    def in_sync(self):
        """True when the first host's server has all others as replicas."""
        seen = self.say(self.lab.hosts[0], "INFO", "replication")
        return seen.count("state=online") == len(self.lab.hosts) - 1

    def agreed(self):
        """True when each Sentinel knows of all others and of all replicas."""
        others = len(self.lab.hosts) - 1
        wanted = f"status=ok,address={self.lab.hosts[0].ip}:6379,slaves={others},sentinels={others + 1}"
        return all(wanted in self.ask(host, "INFO", "sentinel") for host in self.lab.hosts)

    def primary(self, witness):
        """Address of the primary as one host's Sentinel has it."""
        return self.ask(witness, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main").split("\n")[0]
