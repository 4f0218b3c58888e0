//! Random numbers: what tests compare with, and texts that are one or nearly.

use proptest::option::weighted;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::{Index, select};
use proptest::strategy::BoxedStrategy;
use riskgate_compiler::ir::{Attribute, Comparison, Condition, Number, Test, View};

use super::hostile::of_pieces;
use super::request::Bytes;
use crate::oracle::builder::{atom, value_of, x_header};

/// A value of the header `x`, and comparisons of it, mostly with numbers close by.
pub(crate) fn number_comparisons() -> impl Strategy<Value = (Bytes, Vec<Condition>)> {
    let any_number = prop_oneof![
        2 => number(),
        1 => any::<i64>().prop_map(Number::Int),
        1 => any::<f64>().prop_map(Number::Double),
    ];
    let other_text = weighted(0.25, number_like());
    (any_number, any::<Index>(), other_text, comparison()).prop_map(
        |(number, near, other_text, comparison)| {
            let text = other_text.unwrap_or_else(|| near.get(&texts_near(number)).clone());
            let compared = |view| {
                let attribute = Attribute {
                    view,
                    ..value_of(x_header())
                };
                atom(attribute, Test::Compare(comparison, number))
            };
            (
                Bytes(text),
                [View::Int, View::Double].map(compared).to_vec(),
            )
        },
    )
}

pub(super) fn comparison() -> impl Strategy<Value = Comparison> {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
    select(&[Equal, Less, LessOrEqual, Greater, GreaterOrEqual][..])
}

pub(super) fn number() -> impl Strategy<Value = Number> {
    const TWO_53: i64 = 1 << 53;
    const INTS: [i64; 12] = [
        0,
        5,
        -1,
        42,
        TWO_53 - 1,
        TWO_53,
        TWO_53 + 1,
        i64::MAX,
        i64::MAX - 1,
        i64::MIN,
        i64::MIN + 1,
        1000,
    ];
    const DOUBLES: [f64; 16] = [
        0.0,
        -0.0,
        5.0,
        0.1,
        1.5,
        4.999_999_999_999_999,
        9_007_199_254_740_992.0,
        9_007_199_254_740_994.0,
        9_223_372_036_854_774_784.0,
        9_223_372_036_854_775_808.0,
        -9_223_372_036_854_775_808.0,
        -9_223_372_036_854_777_856.0,
        5e-324,
        1e308,
        f64::MAX,
        -1e300,
    ];
    prop_oneof![
        select(&INTS[..]).prop_map(Number::Int),
        select(&DOUBLES[..]).prop_map(Number::Double),
    ]
}

/// The number and its neighbours.
pub(super) fn texts_near(number: Number) -> Vec<Vec<u8>> {
    let texts = match number {
        Number::Int(int) => {
            let neighbours = [-1, 0, 1].map(|step| (i128::from(int) + step).to_string());
            [
                neighbours.to_vec(),
                vec![format!("{int}.5"), format!("{int}e0")],
            ]
            .concat()
        }
        Number::Double(double) => vec![
            format!("{double}"),
            format!("{double:e}"),
            format!("{:e}", double.next_up()),
            format!("{:E}", double.next_down()),
        ],
    };
    texts.into_iter().map(String::into_bytes).collect()
}

/// Numbers, and what is nearly one.
pub(super) fn number_like() -> BoxedStrategy<Vec<u8>> {
    let text = prop_oneof![
        any::<i64>().prop_map(|int| int.to_string()),
        any::<i64>().prop_map(|int| format!("{int}.5")),
        any::<f64>().prop_map(|double| double.to_string()),
        any::<f64>().prop_map(|double| format!("{double:e}")),
        any::<f64>().prop_map(|double| format!("{double:.20E}")),
        (53_u64..=100, 0_u64..1 << 52, -1_i128..=1).prop_map(halfway),
    ];
    let pieces = &[
        "0",
        "1",
        "5",
        "9",
        "00",
        "18446744073709551616",
        ".",
        "e",
        "E",
        "+",
        "-",
        " ",
        "x",
        "308",
        "324",
    ];
    prop_oneof![3 => text.prop_map(String::into_bytes), 2 => of_pieces(pieces)].boxed()
}

/// Near the middle between two doubles that are integers, written in full.
fn halfway((exponent, mantissa, step): (u64, u64, i128)) -> String {
    let below = f64::from_bits((exponent + 1023) << 52 | mantissa);
    let half_gap = (below.next_up() - below) / 2.0;
    (below as i128 + half_gap as i128 + step).to_string()
}
