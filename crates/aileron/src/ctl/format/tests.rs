//! Formatters against texts printed by RabbitMQ 3.10.8's tools and by Erlang/OTP 25.

use super::*;

/// `{name, [{key, value}]}` rows as a node sends them.
fn queue_row() -> Row {
    let arguments = Term::List(vec![
        Term::Tuple(vec![Term::text("x-expires"), Term::atom("signedint"), Term::int(1_800_000)]),
        Term::Tuple(vec![
            Term::text("nest"),
            Term::atom("table"),
            Term::List(vec![
                Term::Tuple(vec![Term::text("b"), Term::atom("longstr"), Term::text("two")]),
                Term::Tuple(vec![
                    Term::text("c"),
                    Term::atom("array"),
                    Term::List(vec![
                        Term::Tuple(vec![Term::atom("signedint"), Term::int(1)]),
                        Term::Tuple(vec![Term::atom("longstr"), Term::text("x")]),
                        Term::Tuple(vec![Term::atom("void"), Term::atom("undefined")]),
                    ]),
                ]),
            ]),
        ]),
    ]);
    vec![
        ("name".into(), Term::text("a,\"b")),
        ("arguments".into(), arguments),
        ("policy".into(), Term::unknown()),
        ("pid".into(), Term::pid("<rabbit@localhost.1795387119.1267.0>")),
        ("exclusive".into(), false.into()),
    ]
}

fn printed(formatter: Formatter, output: &Output) -> String {
    let style = Style { node: "rabbit@localhost".into(), ..Style::default() };
    render(formatter, output, &style).expect("printable")
}

#[test]
fn tables_have_a_heading_and_tabs() {
    let rows = Output::Rows(vec![queue_row()]);
    let line = "a,\"b\t[{\"x-expires\",1800000},{\"nest\",[{\"b\",\"two\"},{\"c\",[1,\"x\",undefined]}]}]\t\t\
                <rabbit@localhost.1795387119.1267.0>\tfalse\n";
    let heading = "name\targuments\tpolicy\tpid\texclusive\n";
    assert_eq!(printed(Formatter::Table, &rows), format!("{heading}{line}"));
    let headless = Style { headless: true, ..Style::default() };
    assert_eq!(render(Formatter::Table, &rows, &headless), Ok(line.to_string()));
    let row = vec![("state".to_string(), Term::text("up")), ("n".to_string(), Term::int(1))];
    let padded = Style { pad: true, ..Style::default() };
    assert_eq!(
        render(Formatter::Table, &Output::Rows(vec![row]), &padded),
        Ok("state\tn\nup   \t1\n".to_string())
    );
}

#[test]
fn json_is_an_object_a_line() {
    let row = "{\"name\":\"a,\\\"b\",\"arguments\":[[\"x-expires\",\"signedint\",1800000],[\"nest\",\"table\",\
               [[\"b\",\"longstr\",\"two\"],[\"c\",\"array\",{\"signedint\":1,\"longstr\":\"x\",\"void\":\"undefined\"}]]]],\
               \"policy\":\"\",\"pid\":\"#PID<12345.1267.0>\",\"exclusive\":false}";
    let rows = Output::Rows(vec![queue_row(), queue_row()]);
    assert_eq!(printed(Formatter::Json, &rows), format!("[\n{row}\n,{row}\n]\n"));
    assert_eq!(printed(Formatter::Json, &Output::Rows(Vec::new())), "[\n]\n");
    let said = Output::Said("Success".into());
    assert_eq!(printed(Formatter::Json, &said), "{\"message\":\"Success\"}\n");
    assert_eq!(
        printed(Formatter::Json, &Output::Done),
        "{\"node\":\"rabbit@localhost\",\"result\":\"ok\"}\n"
    );
    let traced = Output::Answered(Term::text("Trace enabled for vhost ctlv"));
    let wanted =
        "{\"node\":\"rabbit@localhost\",\"result\":\"ok\",\"value\":\"Trace enabled for vhost ctlv\"}\n";
    assert_eq!(printed(Formatter::Json, &traced), wanted);
}

#[test]
fn csv_quotes_every_field() {
    let rows = Output::Rows(vec![queue_row()]);
    let wanted = "\"name\",\"arguments\",\"policy\",\"pid\",\"exclusive\"\n\
                  \"a,\"\"b\",\"[{\"\"x-expires\"\",1800000},{\"\"nest\"\",[{\"\"b\"\",\"\"two\"\"},\
                  {\"\"c\"\",[1,\"\"x\"\",undefined]}]}]\",\"\",\"<rabbit@localhost.1795387119.1267.0>\",\"false\"\n";
    assert_eq!(printed(Formatter::Csv, &rows), wanted);
    let said = render(Formatter::Csv, &Output::Said("Hi \"there\"".into()), &Style::default());
    let failure = said.expect_err("a sentence is no table");
    assert_eq!(failure.code, 70);
    assert_eq!(
        failure.message,
        "%Protocol.UndefinedError{protocol: Enumerable, value: \"Hi \\\"there\\\"\", description: \"\"}\n"
    );
}

#[test]
fn pretty_tables_are_drawn_with_line_characters() {
    let row = vec![
        ("user".to_string(), Term::text("guest")),
        ("tags".to_string(), Term::List(vec![Term::atom("administrator")])),
    ];
    let wanted = "\x1b(0lqqqqqqqwqqqqqqqqqqqqqqqk\x1b(B\n\
                  \x1b(0x\x1b(B \x1b[1muser\x1b[0m  \x1b(0x\x1b(B \x1b[1mtags\x1b[0m          \x1b(0x\x1b(B\n\
                  \x1b(0tqqqqqqqnqqqqqqqqqqqqqqqu\x1b(B\n\
                  \x1b(0x\x1b(B guest \x1b(0x\x1b(B administrator \x1b(0x\x1b(B\n\
                  \x1b(0mqqqqqqqvqqqqqqqqqqqqqqqj\x1b(B\n";
    assert_eq!(printed(Formatter::PrettyTable, &Output::Rows(vec![row])), wanted);
    assert_eq!(printed(Formatter::PrettyTable, &Output::Rows(Vec::new())), "");
    let version = "\x1b(0lqqqqqqqqk\x1b(B\n\x1b(0x\x1b(B \x1b[1mOutput\x1b[0m \x1b(0x\x1b(B\n\x1b(0tqqqqqqqqu\x1b(B\n\
                   \x1b(0x\x1b(B 3.10.8 \x1b(0x\x1b(B\n\x1b(0mqqqqqqqqj\x1b(B\n";
    assert_eq!(printed(Formatter::PrettyTable, &Output::Answered(Term::text("3.10.8"))), version);
}

#[test]
fn an_empty_list_is_no_empty_listing() {
    assert_eq!(printed(Formatter::Table, &Output::Listed(Vec::new())), "\n");
    assert_eq!(printed(Formatter::Json, &Output::Listed(Vec::new())), "[]\n");
    assert_eq!(printed(Formatter::Csv, &Output::Listed(Vec::new())), "\r\n\r\n\n");
    assert_eq!(printed(Formatter::Erlang, &Output::Listed(Vec::new())), "[]\n");
    assert!(printed(Formatter::PrettyTable, &Output::Listed(Vec::new())).contains(" []     "));
    assert_eq!(printed(Formatter::Table, &Output::Rows(Vec::new())), "");
}

#[test]
fn cells_are_printed_by_type() {
    let cells = [
        (Term::Float(1.0), "1.0"),
        (Term::Float(0.999_999_999_999_999_1), "0.9999999999999991"),
        (Term::Float(1e5), "1.0e5"),
        (Term::Float(100.0), "100.0"),
        (Term::Float(1.5e-7), "1.5e-7"),
        (Term::Float(123_456_789.123), "123456789.123"),
        (Term::Float(1e20), "1.0e20"),
        (Term::Tuple([127, 0, 0, 1].map(Term::int).to_vec()), "127.0.0.1"),
        (Term::Tuple([0, 0, 0, 0, 0, 0, 0, 1].map(Term::int).to_vec()), "::1"),
        (Term::Tuple([0, 9, 1].map(Term::int).to_vec()), "{0,9,1}"),
        (
            Term::List(vec![Term::pair("rabbit@localhost", Term::atom("running"))]),
            "[{rabbit@localhost, running}]",
        ),
        (
            Term::List(vec![Term::atom("administrator"), Term::atom("monitoring")]),
            "[administrator, monitoring]",
        ),
        (Term::List(Vec::new()), "[]"),
        (Term::unknown(), ""),
    ];
    for (term, wanted) in cells {
        assert_eq!(cell(&term), wanted);
    }
    let field = |name: &str, kind: &str, value| Term::Tuple(vec![Term::text(name), Term::atom(kind), value]);
    let odd = Term::List(vec![
        field("ł", "longstr", Term::text("łódź")),
        field("é", "longstr", Term::text("é")),
        field("e", "longstr", Term::text("")),
        field("l", "array", Term::List([65, 66].map(|n| Term::pair("signedint", Term::int(n))).to_vec())),
        field("d", "decimal", Term::Tuple(vec![Term::int(1), Term::int(15)])),
        field("b", "binary", Term::Bytes(vec![255, 254])),
        field("nl", "longstr", Term::text("a\n\"b\\")),
    ]);
    let wanted = "[{[322],[322,243,100,378]},{\"é\",\"é\"},{\"e\",[]},{\"l\",\"AB\"},{\"d\",{1,15}},{\"b\",<<\"ÿþ\">>},\
                  {\"nl\",\"a\\n\\\"b\\\\\"}]";
    assert_eq!(cell(&odd), wanted);
}

#[test]
fn erlang_terms_break_lines_as_its_pretty_printer_does() {
    let mut row = queue_row();
    row.extend([("memory".to_string(), Term::int(34_712)), ("leader".to_string(), Term::unknown())]);
    let wanted = "[[{name,<<\"a,\\\"b\">>},\n  \
                  {arguments,[{<<\"x-expires\">>,signedint,1800000},\n              \
                  {<<\"nest\">>,table,\n               \
                  [{<<\"b\">>,longstr,<<\"two\">>},\n                \
                  {<<\"c\">>,array,\n                 \
                  [{signedint,1},{longstr,<<\"x\">>},{void,undefined}]}]}]},\n  \
                  {policy,''},\n  {pid,<12345.1267.0>},\n  {exclusive,false},\n  {memory,34712},\n  {leader,''}]]\n";
    assert_eq!(printed(Formatter::Erlang, &Output::Rows(vec![row.clone()])), wanted);
    let short = vec![vec![("name".to_string(), Term::text("q")), ("n".to_string(), Term::int(0))]];
    assert_eq!(printed(Formatter::Erlang, &Output::Groups(vec![short])), "[[[{name,<<\"q\">>},{n,0}]]]\n");
    assert_eq!(erlang::pretty(&Term::text("ü")), "<<\"Ã¼\">>");
    assert_eq!(erlang::pretty(&Term::text("ł")), "<<197,130>>");
}

/// The longer texts were printed by Erlang/OTP 25 for the same terms: see `erlang_oracle`.
#[test]
fn nested_settings_are_indented_by_four_when_the_tag_is_long() {
    let list = |items: Vec<Term>| Term::List(items);
    let long = |n: usize| Term::atom("a".repeat(n));
    let term = list(vec![Term::pair(
        "lager_of_a_long_name_that_takes_space_and_then_some_more",
        list(vec![Term::pair("handlers", list(vec![long(30), long(30)])), Term::pair("x", Term::int(1))]),
    )]);
    let a = "a".repeat(30);
    let wanted = format!(
        "[{{lager_of_a_long_name_that_takes_space_and_then_some_more,\n     [{{handlers,\n          [{a},{a}]}},\n      {{x,1}}]}}]"
    );
    assert_eq!(erlang::pretty(&term), wanted);
}
