use super::*;

fn sample(shape: Shape, count: usize) -> (Vec<Rule>, Vec<TrafficItem>) {
    let rules = rules(1, count, shape);
    let items = traffic(2, &rules, 400, 0.25);
    (rules, items)
}

fn matched<'a>(rules: &'a [Rule], item: &TrafficItem) -> Vec<&'a str> {
    let matching = rules.iter().filter(|rule| matches(rule, item));
    matching.map(|rule| rule.id.as_str()).collect()
}

#[test]
fn the_stated_share_of_requests_matches() {
    for shape in Shape::ALL {
        for count in [10, 3000] {
            let (rules, items) = sample(shape, count);
            let hits = items
                .iter()
                .filter(|item| !matched(&rules, item).is_empty());
            assert_eq!(hits.count(), 100, "{shape:?}, {count} rules");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_rules_and_requests() {
    for shape in Shape::ALL {
        assert_eq!(sample(shape, 50), sample(shape, 50));
        assert_ne!(rules(1, 50, shape), rules(2, 50, shape));
    }
}

#[test]
fn unselective_rules_match_together_and_selective_ones_alone() {
    let most = |shape| {
        let (rules, items) = sample(shape, 20_000);
        let counts = items.iter().map(|item| matched(&rules, item).len());
        counts.max().unwrap()
    };
    assert!(most(Shape::Selective) <= 2);
    assert!(most(Shape::Unselective) >= 8);
}

#[test]
fn the_engine_agrees_with_the_plain_evaluator() {
    for shape in Shape::ALL {
        let (rules, items) = sample(shape, 1000);
        let ruleset = crate::compile(&to_texts(&rules)).unwrap();
        let mut scratch = riskgate_engine::ruleset::Scratch::default();
        for item in &items {
            let prepared = crate::prepared::Prepared::new(item);
            let verdict = ruleset.decide(&prepared.request(), &mut scratch);
            let got: Vec<&str> = verdict.matched().collect();
            assert_eq!(got, matched(&rules, item), "{item:?}");
        }
    }
}

#[test]
fn requests_are_as_large_as_real_ones() {
    let (_, items) = sample(Shape::Selective, 100);
    for item in items {
        assert!((150..300).contains(&item.path.len()), "{}", item.path);
        assert!((12..=15).contains(&item.headers.len()));
        assert!(item.source.is_loopback());
    }
}
