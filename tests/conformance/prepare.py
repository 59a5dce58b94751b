"""Users and virtual hosts the cases need, made and removed with rabbitmqctl.

`conf-limited` may do everything with names beginning in `q.` and `x.ok`
(configure and write `^(q|x)\\.ok`, read `^(q|x)\\.ok`), `conf-none` has no
permission anywhere, `conf-empty` three empty patterns in `/`.
"""

import subprocess

VHOST = "conf-vhost"
SET_UP = [
    ["add_user", "conf-limited", "secret"],
    ["set_permissions", "conf-limited", r"^(q|x)\.ok", r"^(q|x)\.ok", r"^(q|x)\.ok"],
    ["add_user", "conf-none", "secret"],
    ["add_user", "conf-empty", "secret"],
    ["set_permissions", "conf-empty", "", "", ""],
    ["add_user", "conf-impersonator", "secret"],
    ["set_permissions", "conf-impersonator", ".*", ".*", ".*"],
    ["set_user_tags", "conf-impersonator", "impersonator"],
    ["add_vhost", VHOST],
    ["set_permissions", "-p", VHOST, "guest", ".*", ".*", ".*"],
]
TEAR_DOWN = [["delete_user", "conf-limited"], ["delete_user", "conf-none"], ["delete_user", "conf-empty"],
             ["delete_user", "conf-impersonator"], ["delete_vhost", VHOST]]


def run(ctl, *args):
    """rabbitmqctl with these arguments: `(exit code, standard output, standard error)`."""
    done = subprocess.run([ctl, *args], capture_output=True, text=True, timeout=60, check=False,
                          stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


def must(ctl, *args):
    code, out, err = run(ctl, *args)
    if code:
        raise RuntimeError(f"rabbitmqctl {' '.join(args)}: exit {code}: {out}{err}")
    return out


def set_up(ctl, again=True):
    """Makes them; with `again` from scratch, else what is there already stays."""
    if again:
        tear_down(ctl)
    for args in SET_UP:
        code, out, err = run(ctl, *args)
        if code and (again or "already exists" not in err):
            raise RuntimeError(f"rabbitmqctl {' '.join(args)}: exit {code}: {out}{err}")


def tear_down(ctl):
    """Removes what set_up made; what is not there is no error."""
    for args in TEAR_DOWN:
        run(ctl, *args)
