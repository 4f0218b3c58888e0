//! `int()`, `double()` and comparisons.

use riskgate_compiler::ir::{Attribute, Comparison, Condition, Number, Test, View};

use crate::oracle::builder::{atom, not, rule, ruleset, with_x, x_header};
use crate::oracle::check::{Both, agreed};

const TWO_53: i64 = 1 << 53;

#[test]
fn int_takes_a_sign_and_digits_and_saturates() {
    let cases: [(&str, Option<i64>); 30] = [
        ("0", Some(0)),
        ("-0", Some(0)),
        ("+0", Some(0)),
        ("5", Some(5)),
        ("+5", Some(5)),
        ("-5", Some(-5)),
        ("007", Some(7)),
        ("0000000000000000000000000000000000000000000000001", Some(1)),
        ("9223372036854775807", Some(i64::MAX)),
        ("9223372036854775808", Some(i64::MAX)),
        ("18446744073709551621", Some(i64::MAX)),
        (
            "99999999999999999999999999999999999999999999999",
            Some(i64::MAX),
        ),
        ("-9223372036854775807", Some(-i64::MAX)),
        ("-9223372036854775808", Some(i64::MIN)),
        ("-9223372036854775809", Some(i64::MIN)),
        (
            "-99999999999999999999999999999999999999999999999",
            Some(i64::MIN),
        ),
        ("", None),
        ("+", None),
        ("-", None),
        ("--5", None),
        ("+-5", None),
        (" 5", None),
        ("5 ", None),
        ("5.0", None),
        ("5e0", None),
        ("0x5", None),
        ("1_000", None),
        ("5\0", None),
        ("\u{665}", None),
        ("five", None),
    ];
    check(
        View::Int,
        &cases.map(|(text, value)| (text, value.map(Number::Int))),
    );
}

#[test]
fn double_takes_sign_digits_fraction_and_exponent() {
    let cases: [(&str, Option<f64>); 42] = [
        ("0", Some(0.0)),
        ("-0.0", Some(0.0)),
        ("5", Some(5.0)),
        ("+5", Some(5.0)),
        ("-5.25", Some(-5.25)),
        ("007.50", Some(7.5)),
        ("1e3", Some(1000.0)),
        ("1E3", Some(1000.0)),
        ("1e+3", Some(1000.0)),
        ("1.5e-1", Some(0.15)),
        ("1e0003", Some(1000.0)),
        ("0.1", Some(0.1)),
        ("0.1000000000000000055511151231257827", Some(0.1)),
        // Halfway between two doubles: to the even one.
        ("9007199254740993", Some(9_007_199_254_740_992.0)),
        ("9007199254740995", Some(9_007_199_254_740_996.0)),
        (
            "9007199254740993.00000000000000000000000000001",
            Some(9_007_199_254_740_994.0),
        ),
        ("2.4703282292062327e-324", Some(0.0)),
        ("2.4703282292062328e-324", Some(5e-324)),
        ("1.7976931348623157e308", Some(f64::MAX)),
        ("1.7976931348623158e308", Some(f64::MAX)),
        ("1e-99999999999999999999", Some(0.0)),
        ("0e99999999999999999999", Some(0.0)),
        ("", None),
        ("+", None),
        (".5", None),
        ("5.", None),
        ("5.e1", None),
        ("1e", None),
        ("1e+", None),
        ("e5", None),
        ("1e5.0", None),
        ("1.2.3", None),
        ("--1", None),
        (" 1", None),
        ("1 ", None),
        ("1,5", None),
        ("0x1p3", None),
        ("1_0", None),
        ("1f", None),
        ("inf", None),
        ("nan", None),
        ("Infinity", None),
    ];
    check(
        View::Double,
        &cases.map(|(text, value)| (text, value.map(Number::Double))),
    );
}

fn check(view: View, cases: &[(&str, Option<Number>)]) {
    let says = |expected: Option<Number>| match expected {
        Some(number) => atom(x(view), Test::Compare(Comparison::Equal, number)),
        None => not(atom(x(view), Test::Present)),
    };
    let rules = cases
        .iter()
        .enumerate()
        .map(|(at, (_, expected))| rule(&at.to_string(), says(*expected)));
    let ruleset = ruleset(rules.collect());
    let both = Both::new(&ruleset);
    for (at, (text, _)) in cases.iter().enumerate() {
        let (oracle, engine) = both.verdicts(&with_x(&[text.as_bytes()]), &mut Default::default());
        assert!(
            oracle.matched.contains(&at.to_string()),
            "{view:?} of {text:?} for the oracle"
        );
        assert!(
            engine.matched.contains(&at.to_string()),
            "{view:?} of {text:?} for the engine"
        );
    }
}

fn x(view: View) -> Attribute {
    Attribute {
        base: x_header(),
        transforms: Vec::new(),
        view,
    }
}

#[test]
fn ints_and_doubles_compare_as_exact_numbers() {
    use Number::{Double, Int};
    use View::{Double as AsDouble, Int as AsInt};
    // Whether the left number is -1 less than, 0 equal to, 1 greater than the right one.
    let cases: [(View, &str, Number, i8); 30] = [
        (AsInt, "5", Int(5), 0),
        (AsInt, "5", Double(5.0), 0),
        (AsInt, "5", Double(5.5), -1),
        (AsInt, "-5", Double(-5.5), 1),
        (AsInt, "0", Double(-0.0), 0),
        (AsInt, "0", Double(5e-324), -1),
        (AsInt, "0", Double(-5e-324), 1),
        (
            AsInt,
            "9007199254740993",
            Double(9_007_199_254_740_992.0),
            1,
        ),
        (
            AsInt,
            "9007199254740993",
            Double(9_007_199_254_740_994.0),
            -1,
        ),
        (
            AsInt,
            "-9007199254740993",
            Double(-9_007_199_254_740_992.0),
            -1,
        ),
        (
            AsInt,
            "9223372036854775807",
            Double(9_223_372_036_854_775_808.0),
            -1,
        ),
        (
            AsInt,
            "9223372036854775807",
            Double(9_223_372_036_854_774_784.0),
            1,
        ),
        (
            AsInt,
            "-9223372036854775808",
            Double(-9_223_372_036_854_775_808.0),
            0,
        ),
        (
            AsInt,
            "-9223372036854775808",
            Double(-9_223_372_036_854_777_856.0),
            1,
        ),
        (
            AsInt,
            "-9223372036854775807",
            Double(-9_223_372_036_854_775_808.0),
            1,
        ),
        (AsInt, "1", Double(f64::MAX), -1),
        (AsInt, "1", Double(f64::MIN), 1),
        (AsDouble, "5", Int(5), 0),
        (AsDouble, "-0", Int(0), 0),
        (AsDouble, "-0", Double(0.0), 0),
        (AsDouble, "9007199254740993", Int(TWO_53 + 1), -1),
        (AsDouble, "9007199254740993", Int(TWO_53), 0),
        (AsDouble, "9223372036854775807", Int(i64::MAX), 1),
        (AsDouble, "-9223372036854775809", Int(i64::MIN), 0),
        (AsDouble, "1e999", Int(i64::MAX), 1),
        (AsDouble, "1e999", Double(f64::MAX), 1),
        (AsDouble, "-1e999", Double(f64::MIN), -1),
        (AsDouble, "-1e999", Int(i64::MIN), -1),
        (AsDouble, "0.1", Double(0.1), 0),
        (AsDouble, "0.3", Double(0.1 + 0.2), -1),
    ];
    for (view, text, right, order) in cases {
        let holding = [
            (Comparison::Equal, order == 0),
            (Comparison::Less, order < 0),
            (Comparison::LessOrEqual, order <= 0),
            (Comparison::Greater, order > 0),
            (Comparison::GreaterOrEqual, order >= 0),
        ];
        for (comparison, expected) in holding {
            let holds = holds(
                atom(x(view), Test::Compare(comparison, right)),
                &[text.as_bytes()],
            );
            assert_eq!(holds, expected, "{view:?} {text} {comparison:?} {right:?}");
        }
    }
}

#[test]
fn lengths_are_of_each_value_and_size_is_of_all() {
    let equal = |view, number| {
        atom(
            x(view),
            Test::Compare(Comparison::Equal, Number::Int(number)),
        )
    };
    assert!(holds(equal(View::Length, 0), &[b""]));
    assert!(holds(equal(View::Length, 2), &["\u{e9}".as_bytes()]));
    assert!(holds(equal(View::Length, 3), &[b"a", b"abc"]));
    assert!(!holds(equal(View::Length, 4), &[b"a", b"abc"]));
    assert!(!holds(equal(View::Length, 0), &[]));
    assert!(holds(equal(View::Size, 2), &[b"a", b"a"]));
    assert!(!holds(equal(View::Size, 0), &[]));
    assert!(holds(not(equal(View::Size, 0)), &[]));
}

fn holds(condition: Condition, values: &[&[u8]]) -> bool {
    !agreed(&ruleset(vec![rule("r", condition)]), &with_x(values))
        .matched
        .is_empty()
}
