"""Runs a command beside a broker of its own: with_broker.py COMMAND...

The command finds it by AMQP_PORT, CTL (its rabbitmqctl) and AILERON_CTL_SOCKET.
"""
import subprocess
import sys
import tempfile

from broker import Broker


def main():
    """Starts the broker, runs the command, ends with its exit code."""
    with tempfile.TemporaryDirectory(prefix="aileron-") as folder:
        # The survey greets the broker too, and would be listed among its connections.
        broker = Broker(folder, ["services.interval=0"])
        broker.start()
        environment = broker.ctl_environment | {"AMQP_PORT": str(broker.port), "CTL": broker.ctl_command}
        try:
            code = subprocess.run(sys.argv[1:], env=environment).returncode
            if not broker.external and broker.process.poll() is not None:
                print(f"the broker ended on its own:\n{broker.log_text()[-4000:]}")
                code = code or 1
        finally:
            broker.close()
    return code


if __name__ == "__main__":
    sys.exit(main())
