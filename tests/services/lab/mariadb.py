"""A Galera cluster on a lab's hosts, with group timings that notice within seconds.

    with Lab(3) as lab, Galera(lab) as galera:
        galera.kill(lab.hosts[2])
        galera.sql(lab.hosts[0], "SHOW STATUS LIKE 'wsrep_cluster_size'")

As on a controller: `/etc/mysql/mariadb.conf.d/99-cluster.cnf`, data in /var/lib/mysql,
socket in /run/mysqld, root by its socket. The members' data folders are copies of one
that is made once per process.
"""
import shutil
import subprocess
import tempfile
from pathlib import Path

CONFIG = """\
[mariadbd]
user = mysql
bind-address = {host.ip}
skip-name-resolve
performance_schema = OFF
innodb_buffer_pool_size = 32M
innodb_log_file_size = 8M
innodb_flush_log_at_trx_commit = 0
aria_pagecache_buffer_size = 2M
binlog_format = ROW
log_error = /var/log/mysql/error.log
max_connections = 30
{more}"""
CLUSTER = """\
wsrep_on = ON
wsrep_provider = /usr/lib/galera/libgalera_smm.so
wsrep_cluster_name = lab
wsrep_cluster_address = gcomm://{members}
wsrep_node_name = {host.name}
wsrep_node_address = {host.ip}
wsrep_sst_method = rsync
wsrep_provider_options = "gcache.size=8M;evs.suspect_timeout=PT2S;evs.inactive_timeout=PT4S;evs.inactive_check_period=PT0.5S;evs.keepalive_period=PT0.5S"
"""
# One user that may log in from the others and has no rights: what a probe needs.
USERS = "CREATE USER aileron@'%' IDENTIFIED BY 'seen'; CREATE DATABASE nova; CREATE TABLE nova.t (id INT AUTO_INCREMENT PRIMARY KEY, x INT);"
_made = []


def forget():
    """Takes the folder away from which members' data are copied."""
    while _made:
        shutil.rmtree(_made.pop().parent, ignore_errors=True)


class Galera:
    """A member on every host of the lab, or on those named; without `cluster` just servers."""

    def __init__(self, lab, hosts=None, cluster=True):
        self.lab, self.hosts, self.cluster = lab, hosts or lab.hosts, cluster
        self.daemons = {}

    def __enter__(self):
        for host in self.hosts:
            self.install(host)
        self.form()
        return self

    def __exit__(self, *_):
        forget()

    def form(self, first=None):
        """Starts the first as a new cluster, then the others."""
        first = first or self.hosts[0]
        self.start(first, *(["--wsrep-new-cluster"] if self.cluster else []))
        # One after the other: two joining at once disturb each other's view.
        for host in self.hosts:
            if host is not first:
                self.start(host)

    def install(self, host, more=""):
        """Writes a member's configuration and a database that all members have."""
        self.configure(host, more)
        host.path("/var/log/mysql").mkdir(exist_ok=True)
        host.run(["chown", "mysql:mysql", "/var/log/mysql"])
        data = host.folder / "var/lib/mysql"
        if not _made:
            _made.append(self._make(host))
        subprocess.run(["cp", "-a", "--sparse=always", f"{_made[0]}/.", str(data)], check=True, timeout=60)
        saved = data / "grastate.dat"
        if host is self.hosts[0]:
            saved.write_text(saved.read_text().replace("safe_to_bootstrap: 0", "safe_to_bootstrap: 1"))

    def _make(self, host):
        """A data folder with users, a table and a history of its own, as a clean stop leaves it. Members
        that start from copies of it need no copy of each other's data."""
        data = host.folder / "var/lib/mysql"
        host.run(
            ["mariadb-install-db", "--no-defaults", "--user=mysql", "--datadir=/var/lib/mysql", "--skip-test-db",
             "--auth-root-authentication-method=socket", "--innodb-log-file-size=8M"], timeout=60,
        )  # fmt: skip
        alone = "--wsrep-cluster-address=gcomm://"
        daemon = host.start(["mariadbd", "--wsrep-on=ON", "--wsrep-provider=/usr/lib/galera/libgalera_smm.so", alone])
        self.lab.until(lambda: self.status(host, "wsrep_ready") == "ON", what="the first database")
        self.sql(host, USERS)
        assert daemon.stop(60) == 0, daemon
        place = Path(tempfile.mkdtemp(prefix="aileron-mysql-"))
        subprocess.run(["cp", "-a", "--sparse=always", str(data), str(place / "data")], check=True, timeout=60)
        for name in ("galera.cache", "gvwstate.dat"):
            (place / "data" / name).unlink(missing_ok=True)
        saved = place / "data/grastate.dat"
        saved.write_text(saved.read_text().replace("safe_to_bootstrap: 1", "safe_to_bootstrap: 0"))
        return place / "data"

    def configure(self, host, more=""):
        """Writes a member's configuration; `more` are lines that win."""
        members = ",".join(each.ip for each in self.hosts)
        text = CONFIG + (CLUSTER.replace("{members}", members) if self.cluster else "")
        text = text.format(host=host, more="") + more
        host.etc("mysql/mariadb.conf.d/99-cluster.cnf", text)

    def start(self, host, *arguments, wait=True):
        """Starts a member as its unit does: with the recovered position after a crash."""
        position = self.position(host) if self.cluster else None
        if position:
            arguments = (*arguments, f"--wsrep-start-position={position}")
        self.daemons[host] = host.start(["mariadbd", *arguments], log="mariadbd.log")
        if wait:
            self.ready(host)

    def ready(self, host, timeout=60):
        """Waits until a member takes writes."""
        def answers():
            if not self.daemons[host].alive:
                raise AssertionError(f"mariadbd of {host.name} ended")
            return not self.cluster or self.status(host, "wsrep_ready") == "ON" and self.status(host, "wsrep_local_state") == "4"
        self.lab.until(lambda: self.sql(host, "SELECT 1") and answers(), timeout, what=f"{host.name} is ready")

    def sql(self, host, text, check=True, timeout=10):
        """Runs SQL as root; its rows, tab-separated."""
        return host.run(["mariadb", "-N", "-B", "-e", text], timeout=timeout, check=check).stdout

    def hang_up(self, host):
        """Ends all sessions that sleep, at once: a killed client's lives on for seconds."""
        ids = self.sql(host, "SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'").split()
        self.sql(host, "".join(f"KILL {id};" for id in ids), check=False)

    def status(self, host, name):
        """One status variable."""
        return self.sql(host, f"SHOW GLOBAL STATUS LIKE '{name}'").split("\t")[1].strip()

    def kill(self, host):
        """SIGKILL."""
        self.daemons[host].kill()

    def stop(self, host):
        """A clean stop."""
        self.daemons[host].stop(60)

    def allow(self, host):
        """Lets a stopped member start a new cluster."""
        host.run(["sed", "-i", "s/^safe_to_bootstrap: 0/safe_to_bootstrap: 1/", "/var/lib/mysql/grastate.dat"])

    def repair(self):
        """Makes the cluster whole, whatever was done to it."""
        for daemon in self.daemons.values():
            daemon.thaw()
        for host in self.hosts:
            self.configure(host)
            if not self.daemons[host].alive:
                continue
            self.sql(host, "SET GLOBAL wsrep_on=ON; SET GLOBAL wsrep_desync=OFF", check=False)
            if self.status(host, "wsrep_cluster_status") != "Primary":
                self.stop(host)
        living = [host for host in self.hosts if self.daemons[host].alive]
        if not living:
            best = max(self.hosts, key=lambda host: int(self.position(host).rpartition(":")[2]))
            self.allow(best)
            self.form(best)
        for host in self.hosts:
            if not self.daemons[host].alive:
                self.start(host)
        self.settled()

    def grastate(self, host):
        """The saved state of a member: name -> value."""
        text = (host.folder / "var/lib/mysql/grastate.dat").read_text()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines()) if value}

    def recover(self, host):
        """What `mariadbd --wsrep-recover` finds, as an operator types it; it goes into the error log."""
        host.run(["mariadbd", "--user=mysql", "--wsrep-recover"], timeout=60, check=False)
        log = (host.folder / "var/log/mysql/error.log").read_text()
        return log.rpartition("Recovered position:")[2].splitlines()[0].strip()

    def position(self, host):
        """Where a member has to start from, none if it never was in a cluster."""
        if not (host.folder / "var/lib/mysql/grastate.dat").exists():
            return None
        saved = self.grastate(host)
        return self.recover(host) if saved["seqno"] == "-1" else f"{saved['uuid']}:{saved['seqno']}"

    def settled(self, size=None, hosts=None):
        """Waits until these members are in one Primary Component of that size, and in step."""
        hosts = hosts or self.hosts
        size = size or len(hosts)
        wanted = {"wsrep_cluster_size": str(size), "wsrep_cluster_status": "Primary", "wsrep_ready": "ON", "wsrep_local_state": "4"}
        for host in hosts:
            for name, value in wanted.items():
                self.lab.until(lambda: self.status(host, name) == value, what=f"{name} of {host.name} is {value}")
