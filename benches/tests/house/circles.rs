//! Circles among modules that stand side by side.
use crate::modules::{Arrow, Place};
use std::collections::{BTreeMap, BTreeSet};

/// Arrows between two neighbours, each with all that it has within.
type Neighbours = BTreeMap<(String, String), Vec<Arrow>>;

/// Modules that need each other, directly or through others, each with everything within it.
#[derive(Debug)]
pub(crate) struct Circle {
    /// The module that they stand in.
    pub(crate) within: Place,
    pub(crate) members: BTreeSet<String>,
    pub(crate) arrows: Vec<Arrow>,
}

/// Returns the circles of a crate.
///
/// A folder counts as one module when it is looked at from outside: `a::x → b::y` and `b::z → a::w` are a circle of `a`
/// and `b`. What a module and those within it are to each other is their own affair.
pub(crate) fn circles(arrows: Vec<Arrow>) -> Vec<Circle> {
    let mut levels: BTreeMap<Place, Neighbours> = BTreeMap::new();
    for arrow in arrows {
        let shared = arrow.from.iter().zip(&arrow.to).take_while(|(from, to)| from == to).count();
        let pair = (arrow.from[shared].clone(), arrow.to[shared].clone());
        let level = levels.entry(arrow.from[..shared].to_vec()).or_default();
        level.entry(pair).or_default().push(arrow);
    }
    levels.into_iter().flat_map(|(within, neighbours)| circles_of(within, neighbours)).collect()
}

fn circles_of(within: Place, mut neighbours: Neighbours) -> Vec<Circle> {
    let names: BTreeSet<String> = neighbours.keys().map(|(from, _)| from.clone()).collect();
    let reach: BTreeMap<&String, BTreeSet<String>> =
        names.iter().map(|name| (name, reachable(name, &neighbours))).collect();
    let member_of = |name: &String| {
        let others = reach.get(name)?;
        let is_mutual = |other: &&String| reach.get(other).is_some_and(|back| back.contains(name));
        Some(others.iter().filter(is_mutual).cloned().collect::<BTreeSet<_>>())
    };
    let found: BTreeSet<_> = names.iter().filter_map(member_of).filter(|members| members.len() > 1).collect();
    let circle = |members: BTreeSet<String>| {
        let is_within = |(from, to): &(String, String)| members.contains(from) && members.contains(to);
        let pairs = neighbours.iter_mut().filter(|(pair, _)| is_within(pair));
        let arrows = pairs.flat_map(|(_, arrows)| std::mem::take(arrows)).collect();
        Circle { within: within.clone(), members, arrows }
    };
    found.into_iter().map(circle).collect()
}

fn reachable(start: &str, neighbours: &Neighbours) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut todo = vec![start.to_owned()];
    while let Some(at) = todo.pop() {
        for (from, to) in neighbours.keys() {
            if *from == at && found.insert(to.clone()) {
                todo.push(to.clone());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::circles;
    use crate::modules::{Tree, split};

    fn found(modules: &[(&str, &str)]) -> Vec<String> {
        let tree = modules.iter().fold(Tree::default(), |tree, (place, source)| tree.with(place, source));
        let found = circles(tree.arrows());
        found
            .iter()
            .map(|c| format!("{}: {}", c.within.join("::"), Vec::from_iter(c.members.clone()).join(" ")))
            .collect()
    }

    #[test]
    fn circles_are_found_at_every_level() {
        let root = ("", "pub struct Root;");
        let none: [&str; 0] = [];
        assert_eq!(found(&[root, ("a", "use crate::b;"), ("b", "use crate::Root;")]), none);
        assert_eq!(found(&[root, ("a", "use crate::b;"), ("b", "use crate::a;")]), [": a b"]);
        let three = [
            ("", ""),
            ("a", "use crate::b;"),
            ("b", "use crate::c;"),
            ("c", "use crate::a;"),
            ("d", "use crate::a;"),
        ];
        assert_eq!(found(&three), [": a b c"]);
        let family = [("", ""), ("a", "use self::b; struct A;"), ("a::b", "use super::A;")];
        assert_eq!(found(&family), none);
        let folders = [
            ("", ""),
            ("a", ""),
            ("b", ""),
            ("a::x", "use crate::b::y;"),
            ("b::y", ""),
            ("b::z", "use crate::a::x;"),
        ];
        assert_eq!(found(&folders), [": a b"]);
        let inside = [("", ""), ("a", ""), ("a::b", "use super::c;"), ("a::c", "use crate::a::b;")];
        assert_eq!(found(&inside), ["a: b c"]);
    }

    #[test]
    fn a_circle_names_its_arrows() {
        let tree =
            Tree::default().with("", "").with("a", "\nuse crate::b;").with("b", "fn f() { crate::a::g() }");
        let found = circles(tree.arrows());
        let arrows: Vec<_> = found[0].arrows.iter().map(|arrow| (arrow.from.clone(), arrow.line)).collect();
        assert_eq!(arrows, [(split("a"), 2), (split("b"), 1)]);
    }
}
