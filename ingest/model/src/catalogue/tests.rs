use super::*;

const GOOD: &str = r#"
    [domain.lighting]
    title = { vi = "Chiếu sáng", en = "Street lighting" }
    [domain.environment]
    title = { vi = "Ngập lụt · Môi trường", en = "Flood · Environment" }
    short_title = { vi = "Môi trường", en = "Environment" }
    [property.water_level]
    id = 1
    unit = "m"
    min = -5.0
    max = 15.0
    title = { vi = "Mực nước", en = "Water level" }
    [kind.water-level]
    domain = "environment"
    reporting_period_s = 30
    properties = ["water_level"]
    title = { vi = "Trạm mực nước", en = "Water level station" }
"#;

#[test]
fn finds_properties_by_name_and_number() {
    let catalogue = Catalogue::from_toml(GOOD).unwrap();
    let property = catalogue.property("water_level").unwrap();
    assert_eq!(catalogue.property_by_id(PropertyId(1)), Some(property));
    assert_eq!(catalogue.property_by_id(PropertyId(2)), None);
    assert_eq!(catalogue.kind("water-level").unwrap().reporting_period_s, 30);
}

#[test]
fn domains_keep_the_order_of_the_file() {
    let catalogue = Catalogue::from_toml(GOOD).unwrap();
    let names: Vec<_> = catalogue.domains().iter().map(|domain| domain.name.to_string()).collect();
    assert_eq!(names, ["lighting", "environment"]);
    let short: Vec<_> = catalogue.domains().iter().map(|domain| &*domain.short_title.en).collect();
    assert_eq!(short, ["Street lighting", "Environment"]);
}

#[test]
fn numbers_stay_when_properties_are_added() {
    let more = |name: &str, id: u16| {
        format!("[property.{name}]\nid = {id}\ntitle = {{ vi = \"a\", en = \"b\" }}\n{GOOD}")
    };
    for (name, id) in [("a_first", 7), ("z_last", 0)] {
        let catalogue = Catalogue::from_toml(&more(name, id)).unwrap();
        assert_eq!(catalogue.property("water_level").map(|property| property.id), Some(PropertyId(1)));
        assert_eq!(catalogue.property_by_id(PropertyId(id)).map(|property| &*property.name), Some(name));
    }
    let reused = problems(&more("other", 1));
    assert!(reused.contains("both are unique and never used again"), "{reused}");
}

fn problems(text: &str) -> String {
    let problems = Catalogue::from_toml(text).unwrap_err();
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn says_what_is_wrong_and_where() {
    let cases = [
        (
            GOOD.replace("max = 15.0", "max = -15.0"),
            "7:15: property water_level: min -5 must be less than max -15, and both must be finite",
        ),
        (
            GOOD.replace("max = 15.0", "max = inf"),
            "7:15: property water_level: min -5 must be less than max inf, and both must be finite",
        ),
        (
            GOOD.replace("min = -5.0", "min = nan"),
            "7:15: property water_level: min NaN must be less than max 15, and both must be finite",
        ),
        (
            GOOD.replace("[\"water_level\"]", "[\"level\"]"),
            "16:19: kind water-level: unknown property level; add it to [property.level] or remove it here",
        ),
        (GOOD.replace("= 30", "= 0"), "15:26: kind water-level: reporting_period_s must be at least 1"),
        (
            GOOD.replace("domain = \"environment\"", "domain = \"river\""),
            "14:14: kind water-level: \"river\" is not a domain of the city; expected one of lighting, environment",
        ),
        (
            GOOD.replace("[domain.lighting]", "[domain.Lighting]"),
            "2:13: \"Lighting\" cannot name a domain; expected a letter a-z, then up to 31 of a-z, 0-9 and -, and neither \"alerts\" nor \"city\"",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(problems(&text), format!("catalogue.toml:{expected}"));
    }
    let typo = problems(&GOOD.replace("unit", "unti"));
    assert!(typo.starts_with("catalogue.toml:9:5: unknown field `unti`"), "{typo}");
}

#[test]
fn codes_are_told_apart_and_explained() {
    let mode = |codes: &str, titles: &str| {
        format!(
            "{GOOD}\n[property.mode]\nid = 2\ntype = \"enum\"\ncodes = {{ {codes} }}\ncode_titles = {{ {titles} }}\ntitle = {{ vi = \"Chế độ\", en = \"Mode\" }}"
        )
    };
    let dark = "dark = { vi = \"Tắt\", en = \"Dark\" }";
    for (codes, titles) in [("dark = 4", ""), ("", dark)] {
        let error = problems(&mode(codes, titles));
        assert!(error.contains("property mode: ") && error.contains("dark is only in one"), "{error}");
    }
    let twice = problems(&mode("dark = 4, off = 4", &format!("{dark}, off = {{ vi = \"a\", en = \"b\" }}")));
    assert!(twice.ends_with("property mode: the code 4 has two names"), "{twice}");
    let known = Catalogue::from_toml(&mode("dark = 4", dark)).unwrap();
    let kind = &known.property("mode").unwrap().kind;
    assert_eq!((kind.code_name(4.0), kind.code_name(5.0)), (Some("dark"), None));
    assert_eq!(kind.code_title(4.0).map(|title| title.vi.as_str()), Some("Tắt"));
}

const INDICATOR: &str = r#"
    [kpi.level]
    domain = "environment"
    display.title = { vi = "Mực nước", en = "Level" }
    display.normal = [0.0, 1.0]
    display.scale = [0.0, 4.0]
    display.severity = "high"
    measure = { kind = "water-level", property = "water_level", aggregate = "max" }
    [panel.river]
    domain = "environment"
    indicators = ["level"]
"#;

#[test]
fn indicators_and_panels_say_what_is_wrong_and_where() {
    let good = format!("{GOOD}{INDICATOR}");
    let catalogue = Catalogue::from_toml(&good).unwrap();
    let indicator = catalogue.indicator("level").unwrap();
    assert_eq!((indicator.measure.factor, indicator.measure.fresh_ms), (1.0, 120_000));
    assert_eq!(&*catalogue.panels()[0].short_title.en, "Environment", "that of the domain");
    let cases = [
        ("indicators = [\"level\"]", "indicators = [\"rain\"]", "no indicator is called \"rain\""),
        ("indicators = [\"level\"]", "indicators = []", "0 indicators; a panel has 1 to 3"),
        ("kind = \"water-level\"", "kind = \"river\"", "unknown kind \"river\"; expected one of water-level"),
        ("property = \"water_level\"", "property = \"level\"", "unknown property \"level\""),
        ("aggregate = \"max\"", "aggregate = \"count_above\"", "this aggregate compares; add `operand`"),
        ("aggregate = \"max\"", "aggregate = \"max\", factor = 0.0", "factor is 0"),
        ("aggregate = \"max\"", "aggregate = \"max\", fresh_s = 604801", "expected 1 to 604800 seconds"),
        ("normal = [0.0, 1.0]", "normal = [nan, 1.0]", "[NaN, 1] is empty"),
        ("scale = [0.0, 4.0]", "scale = [0.0, inf]", "[0, inf] is empty"),
        ("[kpi.level]", "[[kpi]]", "write [kpi.NAME] with tables `display` and `measure`"),
    ];
    for (right, wrong, expected) in cases {
        let text = good.replacen(right, wrong, 1);
        let line = text.lines().position(|line| line.contains(wrong)).unwrap() + 1;
        let found = problems(&text);
        let of_line =
            found.lines().find(|problem| problem.contains(&format!(":{line}:"))).unwrap_or_default();
        assert!(of_line.contains(expected), "{wrong}: {found}");
    }
}

const OWN: &str = r#"
    [domain.water-quality]
    title = { vi = "Chất lượng nước", en = "Water quality" }
    icon = "M12 3c4 5 6 8 6 11a6 6 0 0 1-12 0c0-3 2-6 6-11z"
    [property.ph]
    id = 1000
    min = 0.0
    max = 14.0
    title = { vi = "pH", en = "pH" }
    [kind.sonde]
    domain = "water-quality"
    reporting_period_s = 60
    properties = ["ph"]
    title = { vi = "Trạm nước mặt", en = "Surface water station" }
"#;

fn overlaid(own: &str) -> Result<Catalogue, Vec<CatalogueProblem>> {
    let file = |name: &str, text: &str, owner| CatalogueFile { name: name.into(), text: text.into(), owner };
    Catalogue::from_files(&[file("built-in.toml", GOOD, Owner::BuiltIn), file("own.toml", own, Owner::City)])
}

#[test]
fn a_file_of_the_city_adds_to_the_built_in_one() {
    let catalogue = overlaid(OWN).unwrap();
    let names: Vec<_> = catalogue.domains().iter().map(|domain| domain.name.to_string()).collect();
    assert_eq!(names, ["lighting", "environment", "water-quality"]);
    assert_eq!(catalogue.property("ph").map(|property| property.id), Some(PropertyId(1000)));
    assert_eq!(catalogue.kind("sonde").map(|kind| kind.domain.to_string()), Some("water-quality".into()));
    assert!(catalogue.kind("water-level").is_some());
}

#[test]
fn a_file_takes_the_place_of_another_only_when_it_says_so() {
    let title = "title = { vi = \"Đèn\", en = \"Lights\" }";
    let again = format!("[domain.lighting]\n{title}");
    let conflict = overlaid(&again).unwrap_err();
    assert_eq!(
        conflict[0].to_string(),
        "own.toml:1:9: domain \"lighting\" is already defined at built-in.toml:2; choose another name, or write `replace = true` to take its place"
    );
    let replaced = overlaid(&format!("{again}\nreplace = true")).unwrap();
    assert_eq!(&*replaced.domains()[0].title.en, "Lights", "and stands where that stood");
    let nothing = overlaid(&format!("[domain.roads]\n{title}\nreplace = true")).unwrap_err();
    assert!(nothing[0].message.contains("no domain is called \"roads\" before"), "{nothing:?}");
}

#[test]
fn a_property_keeps_its_number_and_type() {
    let level = |rest: &str| {
        overlaid(&format!(
            "[property.water_level]\nreplace = true\ntitle = {{ vi = \"a\", en = \"b\" }}\n{rest}"
        ))
    };
    assert!(level("id = 1\nunit = \"m\"\nmax = 20.0").is_ok());
    for rest in ["id = 2", "id = 1\ntype = \"bool\""] {
        let error = level(rest).unwrap_err();
        assert!(error[0].message.contains("keeps its id and its type"), "{error:?}");
    }
    let low = overlaid(&OWN.replace("id = 1000", "id = 999")).unwrap_err();
    assert!(low[0].to_string().starts_with("own.toml:6:10: property ph: ids below 1000"), "{low:?}");
}

#[test]
fn every_problem_of_every_file_is_told() {
    let own = OWN.replace("M12 3c4", "url(x)").replace("[\"ph\"]", "[\"ph\", \"salt\"]");
    let found = overlaid(&own).unwrap_err();
    let lines: Vec<_> = found.iter().map(|problem| (&*problem.file, problem.line)).collect();
    assert_eq!(lines, [("own.toml", 4), ("own.toml", 13)], "{found:?}");
}
