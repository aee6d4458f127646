//! The same allocation site on both sides of a change that moved its line.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::site::Site;
use crate::trend_input::TrendInput;

/// Where a site is inside its function: its distance from the function's first line does not change when lines are added
/// above the function.
type Place<'a> = (&'a str, &'a str, u32);

/// Line and name of sites.
type Lines<'a> = Vec<(u32, &'a String)>;

fn function(site: &Site) -> Option<(&str, &str)> {
    Some((site.path.as_deref().or(site.file.as_deref())?, site.function.as_deref()?))
}

fn place(site: &Site) -> Option<Place<'_>> {
    let (file, function) = function(site)?;
    Some((file, function, site.line? - site.begins.filter(|begins| Some(*begins) <= site.line)?))
}

/// Calls each site of `before` as `after` calls it: by its place in its function, then, where as many sites of a function
/// are left on both sides, in the order of their lines. A site that is gone keeps its name, marked as of before where
/// another one stands on its line now.
pub(crate) fn follow_sites(before: &mut TrendInput, after: &TrendInput) {
    let names = new_names(&before.sites, &after.sites);
    for series in &mut before.series {
        if let Some(name) = names.get(&series.subject) {
            series.subject.clone_from(name);
        }
    }
}

fn new_names(before: &HashMap<String, Site>, after: &HashMap<String, Site>) -> HashMap<String, String> {
    let mut places: HashMap<Place<'_>, Vec<&String>> = HashMap::new();
    for (name, site) in after {
        if let Some(place) = place(site) {
            places.entry(place).or_default().push(name);
        }
    }
    let mut names: HashMap<String, String> = HashMap::new();
    let mut taken: HashSet<&String> = HashSet::new();
    for (name, site) in before {
        if let Some([new]) = place(site).and_then(|place| places.get(&place)).map(|names| &names[..])
            && taken.insert(new)
        {
            names.insert(name.clone(), (*new).clone());
        }
    }
    // Rows that are no lines, and lines of functions whose beginning is not known, keep their names where both sides have them.
    for (name, site) in before {
        if place(site).is_none()
            && let Some((same, _)) = after.get_key_value(name)
            && taken.insert(same)
        {
            names.insert(name.clone(), name.clone());
        }
    }
    let mut left: BTreeMap<(&str, &str), [Lines<'_>; 2]> = BTreeMap::new();
    for (side, sites) in [before, after].into_iter().enumerate() {
        for (name, site) in sites {
            let used = if side == 0 { names.contains_key(name) } else { taken.contains(name) };
            if let (false, Some(function), Some(line)) = (used, function(site), site.line) {
                left.entry(function).or_default()[side].push((line, name));
            }
        }
    }
    for [mut old, mut new] in left.into_values() {
        if old.len() == new.len() {
            old.sort_unstable();
            new.sort_unstable();
            for ((_, old), (_, new)) in old.into_iter().zip(new) {
                taken.insert(new);
                names.insert(old.clone(), new.clone());
            }
        }
    }
    for name in before.keys() {
        if !names.contains_key(name) && after.contains_key(name) {
            names.insert(name.clone(), format!("{name} (before)"));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sites(lines: &[(u32, u32, &str)]) -> HashMap<String, Site> {
        let site = |&(line, begins, function): &(u32, u32, &str)| Site {
            file: Some("app.py".into()),
            line: Some(line),
            begins: Some(begins),
            function: Some(function.into()),
            ..Site::default()
        };
        lines.iter().map(site).map(|site| (site.label(), site)).collect()
    }

    #[test]
    fn lines_added_above_a_function_move_its_sites() {
        let names = new_names(&sites(&[(10, 8, "f"), (12, 8, "f")]), &sites(&[(12, 10, "f"), (14, 10, "f")]));
        assert_eq!(names["app.py:10 f"], "app.py:12 f");
        // Line 12 is another one now.
        assert_eq!(names["app.py:12 f"], "app.py:14 f");
    }

    #[test]
    fn lines_added_inside_move_the_sites_left_in_order() {
        let names = new_names(&sites(&[(10, 8, "f"), (12, 8, "f")]), &sites(&[(10, 8, "f"), (15, 8, "f")]));
        assert_eq!((&*names["app.py:10 f"], &*names["app.py:12 f"]), ("app.py:10 f", "app.py:15 f"));
    }

    #[test]
    fn a_site_that_is_gone_is_not_mistaken_for_another() {
        let names = new_names(&sites(&[(10, 8, "f")]), &sites(&[(20, 18, "g"), (10, 7, "h")]));
        assert_eq!(names.get("app.py:10 f"), None);
        let names =
            new_names(&sites(&[(10, 8, "f"), (11, 8, "f")]), &sites(&[(11, 9, "f"), (13, 9, "f"), (10, 9, "f")]));
        assert_eq!(names["app.py:10 f"], "app.py:11 f");
        assert_eq!(names.get("app.py:11 f").map(String::as_str), Some("app.py:11 f (before)"));
    }
}
