"""etcd on a lab's hosts: one cluster, quick to elect.

    with Lab(3) as lab:
        etcd = Etcd(lab)
        etcd.start()
        etcd.daemon[etcd.leader()].kill()
"""
import json
import subprocess


class Etcd:
    """A member on every host; `more` are further words of the command line."""

    def __init__(self, lab, *more, tls=False):
        self.lab, self.more, self.daemon = lab, list(more), {}
        self.scheme, self.client = "http", []
        if tls:
            self.make_certificates()

    def make_certificates(self):
        """One authority, one certificate for all hosts; clients have to show one too."""
        self.scheme, folder = "https", self.lab.folder
        names = ",".join(["IP:127.0.0.1", *(f"IP:{host.ip}" for host in self.lab.hosts)])
        (folder / "names").write_text(f"subjectAltName={names}\nextendedKeyUsage=serverAuth,clientAuth\n")
        make = ["openssl", "req", "-newkey", "rsa:2048", "-nodes"]
        for command in (
            [*make, "-x509", "-days", "1", "-subj", "/CN=lab", "-keyout", "ca.key", "-out", "ca.crt"],
            [*make, "-subj", "/CN=etcd", "-keyout", "etcd.key", "-out", "etcd.csr"],
            ["openssl", "x509", "-req", "-days", "1", "-in", "etcd.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
             "-CAcreateserial", "-extfile", "names", "-out", "etcd.crt"],
        ):  # fmt: skip
            subprocess.run(command, cwd=folder, check=True, timeout=60, capture_output=True)
        ca, cert, key = (str(folder / name) for name in ("ca.crt", "etcd.crt", "etcd.key"))
        self.more += ["--trusted-ca-file", ca, "--cert-file", cert, "--key-file", key, "--client-cert-auth"]
        self.client = ["--cacert", ca, "--cert", cert, "--key", key]

    def start(self):
        """Brings all up and waits for a leader."""
        for host in self.lab.hosts:
            host.etc("systemd/system/multi-user.target.wants/etcd.service", "")
            self.start_member(host)
        self.lab.until(self.leader, what="an etcd leader")
        for host in self.lab.hosts:
            self.lab.until(lambda host=host: self.well(host), what="every member serves")

    def start_member(self, host):
        """Starts (again) a host's member."""
        url, peer = self.url(host), f"http://{host.ip}:2380"
        everyone = ",".join(f"{each.name}=http://{each.ip}:2380" for each in self.lab.hosts)
        self.daemon[host] = host.start([
            "etcd", "--name", host.name, "--data-dir", host.mine("etcd"),
            "--listen-client-urls", f"{url},{self.scheme}://127.0.0.1:2379", "--advertise-client-urls", url,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", everyone, "--heartbeat-interval", "50", "--election-timeout", "500", *self.more,
        ])  # fmt: skip

    def url(self, host):
        """A member's client URL."""
        return f"{self.scheme}://{host.ip}:2379"

    def ctl(self, host, *words, check=True, timeout=10):
        """What etcdctl says on a host."""
        return host.run(["etcdctl", "--endpoints", f"{self.scheme}://127.0.0.1:2379", *self.client, *words], check=check, timeout=timeout).stdout

    def well(self, host):
        """True when a host's member serves."""
        return self.ctl(host, "get", "/none", "--command-timeout=1s", "--write-out=json").startswith("{")

    def status(self, host):
        """A member's status, as a dictionary."""
        return json.loads(self.ctl(host, "endpoint", "status", "--write-out=json"))[0]["Status"]

    def leader(self):
        """The host that leads, as the living members say; None without one."""
        for host in self.lab.hosts:
            if self.daemon[host].alive:
                seen = self.status(host)
                if seen.get("leader") and seen["leader"] == seen["header"]["member_id"]:
                    return host
        return None
