//! Conditions that end earlier than their author may think.

use crate::{
    diagnostic::Code,
    front::{
        context::Context,
        when::When,
        yaml::{Node, Style},
    },
};

/// Warns of an expression that goes on in what YAML takes for a comment.
pub(super) fn cut_condition(cx: &mut Context<'_>, when: &When<'_>) {
    for node in &when.expressions {
        let Some((at, operator)) = continued(cx.text, node) else {
            continue;
        };
        let message = format!(
            "the condition ends here: what follows ` #` is a comment, `{operator}` and all"
        );
        let diagnostic = cx.diagnostic(Code::CutCondition, &(at..at + 1), message);
        cx.report(diagnostic.help(
            "if it belongs to the condition, delete the `#`; if not, delete it, or begin the comment with another word",
        ));
    }
}

/// Where the comment begins behind an expression without quotes, and the operator that it begins with.
fn continued(text: &str, node: &Node) -> Option<(usize, &'static str)> {
    node.scalar()
        .filter(|scalar| scalar.style == Style::Plain)?;
    let rest = text.get(node.range.end..)?.lines().next()?;
    let comment = rest.trim_start();
    let at = node.range.end + (rest.len() - comment.len());
    let words = comment.strip_prefix('#')?.trim_start();
    let operator = ["&&", "||"]
        .into_iter()
        .find(|operator| words.starts_with(operator))?;
    Some((at, operator))
}
