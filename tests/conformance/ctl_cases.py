"""The command lines run against rabbitmqctl, in order, and how each is compared.

How: `exact`; `rows` (standard output's lines in any order: RabbitMQ promises
none); `first` (exit code and the first line of each stream); `usage` (exit
code and usage line); `code` (exit code only); `shape` (exit code and headings).
"""

from ctl_state import ONE, VHOST, WIDE

QUEUE_COLUMNS = """name durable auto_delete arguments policy pid owner_pid exclusive exclusive_consumer_pid
 exclusive_consumer_tag messages messages_ready messages_unacknowledged messages_ram messages_ready_ram
 messages_unacknowledged_ram messages_persistent message_bytes message_bytes_ready message_bytes_unacknowledged
 message_bytes_ram message_bytes_persistent head_message_timestamp disk_reads disk_writes consumers consumer_utilisation
 consumer_capacity memory slave_pids synchronised_slave_pids state type leader members online""".split()
CONNECTION_COLUMNS = """pid name port host peer_port peer_host ssl ssl_protocol ssl_key_exchange ssl_cipher ssl_hash
 peer_cert_subject peer_cert_issuer peer_cert_validity state channels protocol auth_mechanism user vhost timeout
 frame_max channel_max client_properties recv_oct recv_cnt send_oct send_cnt send_pend connected_at""".split()
CHANNEL_COLUMNS = """pid connection name number user vhost transactional confirm consumer_count
 messages_unacknowledged messages_uncommitted acks_uncommitted messages_unconfirmed prefetch_count
 global_prefetch_count""".split()
EXCHANGE_COLUMNS = "name type durable auto_delete internal arguments policy".split()
BINDING_COLUMNS = "source_name source_kind destination_name destination_kind routing_key arguments".split()
CONSUMER_COLUMNS = "queue_name channel_pid consumer_tag ack_required prefetch_count active arguments".split()
COMMANDS = """report status version ping await_startup stop environment list_users add_user delete_user change_password
 clear_password authenticate_user set_user_tags set_permissions clear_permissions list_permissions
 list_user_permissions add_vhost delete_vhost list_vhosts list_queues list_exchanges list_bindings list_connections
 list_channels list_consumers delete_queue purge_queue close_connection close_all_connections trace_on
 trace_off""".split()

# Columns whose values are a broker's own business, or chance.
MASKED = {"memory", "recv_oct", "recv_cnt", "send_oct", "send_cnt", "send_pend", "connected_at", "port", "peer_port",
          "disk_reads", "disk_writes", "messages_ram", "messages_ready_ram", "messages_unacknowledged_ram",
          "message_bytes_ram", "consumer_utilisation", "consumer_capacity", "head_message_timestamp", "pid"}

CASES = []


def run(line, how="exact", stdin=None):
    """A command line as typed (split at blanks), or a list of arguments."""
    argv = line.split() if isinstance(line, str) else list(line)
    CASES.append({"argv": argv, "how": how, "stdin": stdin})


def formats(argv, how="rows", headers=True):
    """One listing in every dress."""
    argv = argv.split() if isinstance(argv, str) else argv
    for extra in ([], ["-q"], ["-s"], ["--quiet"], ["--silent"], ["--formatter", "table"], ["--formatter", "csv"],
                  ["--formatter", "json"], ["--formatter", "pretty_table"], ["-q", "--formatter", "json"],
                  ["-s", "--formatter", "csv"], ["-s", "--formatter", "pretty_table"], ["--formatter=json"]):
        run(argv + extra, how)
    if headers:
        run(argv + ["--no-table-headers"], how)
        run(argv + ["-q", "--no-table-headers"], how)


def refusals(command, *good):
    """Too many arguments, an unknown option, an unknown formatter; help both ways."""
    run([command, *good, "one", "too", "many", "here", "really"], "exact")
    run([command, *good, "--nonsense"], "exact")
    run([command, *good, "--nonsense=5", "-Z"], "exact")
    run(["help", command], "usage")
    run([command, "--help"], "usage")


# The transcripts operators know, verbatim
for words in ("list_users", "list_permissions", "list_exchanges", "list_queues", "list_consumers"):
    run(words, "rows")
run("report", "shape")
run("add_user lixiaohui lxhpassword")
run("list_users", "rows")
run(["set_permissions", "lixiaohui", ".*", ".*", ".*"])
run("list_permissions", "rows")
run("set_user_tags lixiaohui administrator")
run("trace_on")
run("trace_off")
run("delete_user lixiaohui")

# Queues
formats(["list_queues", "-p", VHOST])
formats(["list_queues", "-p", VHOST, "name", "messages", "arguments"])
formats(["list_queues", "-p", VHOST, "name", "durable", "auto_delete", "exclusive", "consumers", "type", "state"])
for column in QUEUE_COLUMNS:
    run(["list_queues", "-q", "-p", VHOST, "name", column], "rows")
    run(["list_queues", "-q", "-p", ONE, column, "--formatter", "json"])
run(["list_queues", "-p", ONE, "--formatter", "erlang"])
run(["list_queues", "-p", ONE, "name", "arguments", "--formatter", "erlang"])
run(["list_queues", "-p", ONE, "name", "durable", "messages", "policy", "--formatter", "erlang"])
for form in ("table", "csv", "json"):
    run(["list_queues", "-p", WIDE, "name", "state", "--formatter", form])
run(["list_queues", "-p", VHOST, "--online"], "rows")
run(["list_queues", "-p", VHOST, "--offline"], "rows")
run(["list_queues", "-p", VHOST, "--local"], "rows")
run(["list_queues", "-p", VHOST, "--online", "--offline"], "exact")
run(["list_queues", "--vhost", VHOST], "rows")
run(["list_queues", f"--vhost={VHOST}"], "rows")
run(["list_queues", "-p", VHOST, "-t", "5"], "rows")
run(["list_queues", "-p", VHOST, "--timeout", "30"], "rows")
run(["list_queues", "-p", VHOST, "--timeout", "infinity"], "exact")
run(["list_queues", "-p", VHOST, "--timeout", "abc"], "exact")
run(["list_queues", "-t", "-5"], "code")
run(["-p", VHOST, "list_queues", "name"], "rows")
run(["-q", "list_queues", "-p", VHOST, "messages", "name"], "rows")
run(["list_queues", "-p", VHOST, "name", "name"], "rows")
run(["list_queues", "-p", "nope"])
run(["list_queues", "-p", ""])
run(["list_queues", "-p", "nope", "--formatter", "json"])
run(["list_queues", "name", "nonsense"])
run(["list_queues", "nonsense", "other"])
run(["list_queues", "Name"])
run(["list_queues", "name,messages"])
run(["list_queues", "--formatter", "nonsense"], "code")
run(["list_queues", "--formatter"], "exact")
run(["list_queues", "--nonsense"])
run(["list_queues", "--help"], "usage")
run(["help", "list_queues"], "usage")

# Exchanges and bindings
formats(["list_exchanges", "-p", VHOST])
formats(["list_exchanges", "-p", VHOST, *EXCHANGE_COLUMNS])
for column in EXCHANGE_COLUMNS:
    run(["list_exchanges", "-q", "-p", VHOST, "name", column], "rows")
run(["list_exchanges", "-p", VHOST, "name", "arguments", "--formatter", "json"], "rows")
run(["list_exchanges", "-p", "nope"])
run(["list_exchanges", "nonsense"])
refusals("list_exchanges")
formats(["list_bindings", "-p", VHOST])
formats(["list_bindings", "-p", ONE])
run(["list_bindings", "-p", ONE, "--formatter", "erlang"])
for column in BINDING_COLUMNS:
    run(["list_bindings", "-q", "-p", VHOST, "source_name", "destination_name", column], "rows")
run(["list_bindings", "-p", VHOST, "routing_key", "source_name"], "rows")
run(["list_bindings", "-p", "nope"])
run(["list_bindings", "nonsense"])
refusals("list_bindings")

# Connections, channels, consumers
formats("list_connections user vhost state channels protocol auth_mechanism")
run("list_connections", "rows")
run("list_connections -q pid name user vhost state", "rows")
for column in CONNECTION_COLUMNS:
    run(["list_connections", "-q", "vhost", "user", column], "rows")
    run(["list_connections", "-q", "vhost", "user", column, "--formatter", "json"], "rows")
run("list_connections -q user client_properties --formatter csv", "rows")
run("list_connections nonsense")
refusals("list_connections")
formats("list_channels number user vhost confirm transactional consumer_count prefetch_count")
run("list_channels", "rows")
for column in CHANNEL_COLUMNS:
    run(["list_channels", "-q", "vhost", "number", column], "rows")
    run(["list_channels", "-q", "vhost", "number", column, "--formatter", "json"], "rows")
run("list_channels nonsense")
refusals("list_channels")
formats(["list_consumers", "-p", VHOST, "queue_name", "consumer_tag", "ack_required", "prefetch_count", "arguments"])
run(["list_consumers", "-p", VHOST], "rows")
run(["list_consumers", "-p", ONE])
run(["list_consumers", "-p", ONE, "--formatter", "json"])
run(["list_consumers", "-p", ONE, "--formatter", "csv"])
run(["list_consumers", "-p", ONE, "queue_name", "arguments", "--formatter", "erlang"])
for column in [*CONSUMER_COLUMNS, "activity_status", "exclusive"]:
    run(["list_consumers", "-q", "-p", VHOST, "consumer_tag", column], "rows")
run(["list_consumers", "-p", "nope"])
run(["list_consumers", "nonsense"])
refusals("list_consumers")

# Users and permissions
formats("list_users")
run("list_users name")
refusals("list_users")
run("add_user")
run("add_user conf-new")
run("add_user conf-new", stdin="from-stdin\n")
run("authenticate_user conf-new from-stdin")
run("authenticate_user conf-new wrong")
run("authenticate_user conf-new", stdin="from-stdin\n")
run("authenticate_user nope x")
run("authenticate_user")
run("authenticate_user conf-new", stdin="")
run("add_user conf-new again")
run(["add_user", "", "x"])
run(["add_user", "conf-empty-password", ""])
run("delete_user conf-empty-password", "code")
refusals("add_user", "conf-new", "x")
run("change_password conf-new other")
run("authenticate_user conf-new other")
run("change_password conf-new", stdin="third\n")
run("change_password nope x")
run("change_password")
run(["change_password", "conf-new", ""])
refusals("change_password", "conf-new", "x")
run("clear_password conf-new")
run("authenticate_user conf-new third")
run("clear_password nope")
run("clear_password")
refusals("clear_password", "conf-new")
run("set_user_tags conf-new administrator management")
run("list_users", "rows")
run("set_user_tags conf-new one,two three")
run("list_users -q", "rows")
run("list_users --formatter json", "rows")
run("set_user_tags conf-new")
run("list_users -s", "rows")
run("set_user_tags nope x")
run("set_user_tags")
run(["set_user_tags", "conf-new", ""])
run("help set_user_tags", "usage")
run(["set_permissions", "-p", VHOST, "conf-new", "^a-.*", "", ".*"])
formats(["list_permissions", "-p", VHOST])
formats("list_user_permissions conf-new")
run(["set_permissions", "conf-new", "a b", "c\td", "\"q\",'e'"])
run("list_user_permissions conf-new", "rows")
run("list_user_permissions conf-new --formatter csv", "rows")
run("list_user_permissions conf-new --formatter json", "rows")
run(["set_permissions", "conf-new", "(", ".*", ".*"], "code")
run(["set_permissions", "conf-new", ".*", "[", ".*"], "code")
run(["set_permissions", "conf-new", ".*", ".*", "*"], "code")
run(["set_permissions", "conf-new", "^(?!amq\\.).*", ".*", ".*"])
run(["set_permissions", "nope", ".*", ".*", ".*"])
run(["set_permissions", "-p", "nope", "conf-new", ".*", ".*", ".*"])
run(["set_permissions", "-p", "nope", "nope", ".*", ".*", ".*"])
run("set_permissions")
run("set_permissions conf-new")
run("set_permissions conf-new .*")
run("set_permissions conf-new .* .*")
refusals("set_permissions", "conf-new", ".*", ".*", ".*")
run("list_user_permissions nope")
run("list_user_permissions")
refusals("list_user_permissions", "conf-new")
run("list_permissions -p nope")
refusals("list_permissions")
run(["clear_permissions", "-p", VHOST, "conf-new"])
run(["clear_permissions", "-p", VHOST, "conf-new"])
run("clear_permissions conf-new")
run("clear_permissions nope")
run("clear_permissions -p nope conf-new")
run("clear_permissions")
run("list_user_permissions conf-new")
run("list_user_permissions conf-new --formatter json")
refusals("clear_permissions", "conf-new")
run("delete_user conf-new")
run("delete_user conf-new")
run("delete_user")
refusals("delete_user", "nope")

# Virtual hosts
formats("list_vhosts")
run("list_vhosts name tracing", "rows")
run("list_vhosts -q name description tags", "rows")
run("list_vhosts tracing name --formatter json", "rows")
run("list_vhosts nonsense")
run("help list_vhosts", "usage")
run("add_vhost conf-new")
run("add_vhost conf-new")
run("list_vhosts -s", "rows")
run("list_permissions -p conf-new")
run("list_permissions -p conf-new --formatter json")
run("list_queues -p conf-new")
run("list_queues -p conf-new --formatter csv")
run("list_queues -p conf-new --formatter pretty_table")
run("list_queues -p conf-new -s")
run("trace_on -p conf-new")
run("list_vhosts -q name tracing", "rows")
run("trace_off -p conf-new")
run("list_vhosts -q name tracing", "rows")
run("delete_vhost conf-new")
run("delete_vhost conf-new")
run("add_vhost conf-new --description words --tags a,b")
run("list_vhosts -q name description tags", "rows")
run("delete_vhost conf-new -q")
run("add_vhost")
run(["add_vhost", ""], "code")
run("delete_vhost")
refusals("add_vhost", "conf-new")
refusals("delete_vhost", "conf-new")
run("trace_on -p nope")
run("trace_off -p nope")
refusals("trace_on")
refusals("trace_off")

# Acting on queues
run(["purge_queue", "-p", VHOST, "q-plain"])
run(["list_queues", "-q", "-p", VHOST, "name", "messages", "messages_unacknowledged"], "rows")
run(["purge_queue", "-p", VHOST, "nope"])
run("purge_queue -p nope nope")
run("purge_queue")
run(["purge_queue", "-p", VHOST, "q-exclusive"])
refusals("purge_queue", "nope")
run(["delete_queue", "-p", VHOST, "q-durable", "--if-empty"])
run(["delete_queue", "-p", VHOST, "q-durable", "-e"])
run(["delete_queue", "-p", VHOST, "q-limits", "--if-unused"])
run(["delete_queue", "-p", VHOST, "q-limits", "-u"])
run(["delete_queue", "-p", VHOST, "q-limits", "-u", "-e"])
run(["delete_queue", "-p", VHOST, "q-durable"])
run(["delete_queue", "-p", VHOST, "q-durable"])
run(["delete_queue", "-p", VHOST, "q with space"])
run(["delete_queue", "-q", "-p", VHOST, "q\\back"])
run("delete_queue -p nope q")
run("delete_queue")
run(["delete_queue", ""])
refusals("delete_queue", "nope")

# Closing connections: the second connection is conf-ctl-user's
run(["close_connection", "{pid}", "an operator's reason"])
run(["list_connections", "-q", "user", "vhost"], "rows")
run(["close_connection", "{pid}", "it is gone"])
run(["close_connection", "nonsense", "reason"], "code")
run(["close_connection", "{pid}"])
run("close_connection")
refusals("close_connection", "<nope@localhost.1.2.3>", "reason")
run(["close_all_connections", "-p", "nope", "reason"])
run(["close_all_connections", "-p", ONE, "--limit", "5", "reason two"])
run(["list_connections", "-q", "user", "vhost"], "rows")
run(["close_all_connections", "-p", VHOST, "--global", "reason"], "code")
run("close_all_connections")
run(["close_all_connections", "-p", VHOST, "--limit", "abc", "reason"])
refusals("close_all_connections", "reason")

# The node
run("ping")
run("ping -q")
run("ping -s")
run("ping -t 5")
run("version")
run("version -q")
run("--version")
run("await_startup")
run("await_startup --timeout 10")
run("await_startup -t abc")
run("status", "shape")
run("status -q", "shape")
run("status --formatter json", "code")
run("environment", "shape")
for command in ("status", "environment", "report", "ping", "version", "await_startup"):
    refusals(command)
run("nonsense", "first")
run("list_quees", "first")
run("help nonsense", "first")
run("list_queue", "first")
run("", "first")
run("help", "first")
run("--help", "first")
run("help stop", "usage")
run("stop one two three")
run("stop --nonsense")
for command in ("status", "ping", "list_queues", "list_users", "add_user a b", "version", "await_startup -t 1", "stop",
                "environment", "report", "list_queues --formatter json", "status -q"):
    run(f"-n nope@localhost {command}", "first")
run(["list_users", "-n", "nope@localhost"], "first")
run("list_users -n", "exact")
run("-l ping", "code")

# What deployment tools call. Nothing can be set here that these would list; tests/system has what they act on.
for command in ("list_policies", "list_parameters", "list_vhost_limits", "list_operator_policies",
                "list_topic_permissions", "list_user_topic_permissions guest"):
    for form in ("", " -q", " -s", " --formatter json", " --formatter csv", " --formatter erlang",
                 " --formatter pretty_table", " --no-table-headers"):
        run(command + form)
for command in ("list_policies", "list_parameters", "list_vhost_limits", "list_operator_policies",
                "list_topic_permissions", "list_global_parameters"):
    refusals(command)
for command in ("list_policies", "list_parameters", "list_vhost_limits", "list_operator_policies"):
    run(f"{command} -p nope")
run("list_global_parameters", "first")
run("list_vhost_limits --global")
run("list_user_topic_permissions")
run("list_user_topic_permissions nope")
for form in ("", " -q", " --formatter json", " --formatter csv", " --formatter erlang", " --global",
             " --global --formatter json", " --user conf-ctl-user", " --user nope"):
    run("list_user_limits" + form)
refusals("list_user_limits")
formats("list_feature_flags")
run("list_feature_flags name state stability provided_by desc doc_url")
run("list_feature_flags state name --formatter json")
run("list_feature_flags nonsense")
run("enable_feature_flag all")
run("enable_feature_flag -q all")
run("enable_feature_flag quorum_queue")
run("enable_feature_flag nonsense")
run("enable_feature_flag")
run(["enable_feature_flag", ""])
refusals("enable_feature_flag", "all")
run("wait")
run("wait --timeout 1 /nonexistent/pid")
run("wait -q --timeout 1 /nonexistent/pid")
run("wait --pid 99999999 -t 2")
run("wait -P 99999999 -t 2")
run("wait --pid 1 /nonexistent/pid")
run("wait one two")
run("wait --pid abc")
refusals("wait")
run("await_online_nodes 1")
run("await_online_nodes 1 -q")
run("await_online_nodes 2 -t 1")
run("await_online_nodes")
run("await_online_nodes x")
refusals("await_online_nodes", "1")
run("node_health_check -t 30")
run("node_health_check")
refusals("node_health_check")
run("set_cluster_name rabbit@localhost", "code")
run("set_cluster_name")
refusals("set_cluster_name", "name")
run("forget_cluster_node rabbit@nope")
run("forget_cluster_node rabbit@nope -q")
run("forget_cluster_node")
run("forget_cluster_node --offline rabbit@nope", "first")
refusals("forget_cluster_node", "rabbit@nope")
run("export_definitions")
run("export_definitions /nonexistent/x.json")
run(["export_definitions", ""])
run("export_definitions - --format nonsense")
run("export_definitions - -q", "code")
run("export_definitions - --format JSON", "code")
refusals("export_definitions", "-")
run("import_definitions /nonexistent/x.json")
run("import_definitions", stdin="{}")
run("import_definitions -q", stdin="{}")
run("import_definitions", "first", stdin="")
run("import_definitions", "first", stdin="nonsense")
run("import_definitions -", "first", stdin="{}")
run("import_definitions --format nonsense", stdin="{}")
run("import_definitions", stdin='{"queues":[{"name":"x","vhost":"nope","durable":true,"auto_delete":false,"arguments":{}}]}')
run("import_definitions", stdin='{"permissions":[{"user":"guest","vhost":"/","configure":"(","write":"","read":""}]}')
run("import_definitions", "code", stdin='{"queues":[{"name":"x","vhost":"/","durable":true,"auto_delete":false,'
                                        '"arguments":{"x-message-ttl":"a"}}]}')
run("import_definitions", "code", stdin='{"exchanges":[{"name":"x","vhost":"/","type":"odd","durable":true,'
                                        '"auto_delete":false,"arguments":{}}]}')
refusals("import_definitions", "/nonexistent/x.json")
