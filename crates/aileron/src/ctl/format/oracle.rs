//! Erlang itself as the oracle for `erlang.rs`: run where `erl` is installed, with
//! `cargo test -p aileron -- --ignored erlang_oracle`.

use std::process::Command;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::super::term::Term;
use super::erlang::{pretty, single_line};

/// How many terms are compared.
const TERMS: usize = 3000;

/// Reads a term a line and prints each as `~p`, one after the other with a mark between.
const PROGRAM: &str = r#"
    {ok, Data} = file:read_file(os:getenv("TERMS")),
    Lines = binary:split(Data, <<"\n">>, [global, trim_all]),
    io:setopts([{encoding, unicode}]),
    [begin
        {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(Line) ++ "."),
        {ok, Term} = erl_parse:parse_term(Tokens),
        io:put_chars([io_lib:format("~p", [Term]), "\n=====\n"])
     end || Line <- Lines],
    halt().
"#;

fn terms() -> impl Strategy<Value = Term> {
    let atom = "[a-z][a-z_]{0,25}".prop_map(Term::Atom);
    let leaf = prop_oneof![
        4 => atom,
        1 => "[A-Z ]{0,6}".prop_map(Term::Atom),
        3 => any::<i32>().prop_map(Term::int),
        2 => any::<u8>().prop_map(Term::int),
        1 => (-1000i32..1000).prop_map(|number| Term::Float(f64::from(number) / 8.0)),
        1 => proptest::num::f64::NORMAL.prop_map(Term::Float),
        3 => "[ -~]{0,40}".prop_map(Term::text),
        1 => proptest::collection::vec(any::<u8>(), 0..30).prop_map(Term::Bytes),
        1 => "[ -~]{0,20}".prop_map(|text| Term::charlist(&text)),
    ];
    leaf.prop_recursive(6, 120, 7, |inner| {
        let key = "[a-z_]{1,20}".prop_map(Term::Atom);
        prop_oneof![
            3 => proptest::collection::vec(inner.clone(), 0..7).prop_map(Term::List),
            2 => proptest::collection::vec(inner.clone(), 0..5).prop_map(Term::Tuple),
            4 => (key.clone(), inner.clone()).prop_map(|(key, value)| Term::Tuple(vec![key, value])),
            1 => proptest::collection::btree_map("[a-z_]{1,20}", inner, 0..4)
                .prop_map(|map| Term::Map(map.into_iter().map(|(key, value)| (Term::Atom(key), value)).collect())),
        ]
    })
}

#[test]
#[ignore = "needs Erlang/OTP 25"]
fn erlang_oracle() {
    let mut runner = TestRunner::default();
    let terms: Vec<Term> =
        (0..TERMS).map(|_| terms().new_tree(&mut runner).expect("a term").current()).collect();
    let file = tempfile::NamedTempFile::new().expect("a file");
    let lines: Vec<String> = terms.iter().map(single_line).collect();
    std::fs::write(file.path(), lines.join("\n")).expect("written");
    let erl = Command::new("erl").args(["-noshell", "-eval", PROGRAM]).env("TERMS", file.path()).output();
    let printed = String::from_utf8(erl.expect("Erlang runs").stdout).expect("text");
    let theirs: Vec<&str> = printed.split("\n=====\n").collect();
    assert_eq!(theirs.len(), TERMS + 1, "{}", theirs.last().unwrap_or(&""));
    for (term, theirs) in terms.iter().zip(theirs) {
        assert_eq!(pretty(term), theirs, "{term:?}");
    }
}
