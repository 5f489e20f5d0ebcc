//! What documents say of tests is held to what there is.

use libtest_mimic::{Failed, Trial};
use scenes::breaks;
use scenes::stage::root;
use std::fs;

/// To be given the names of all other trials.
pub fn trials(names: &[String]) -> Vec<Trial> {
    let names = names.to_vec();
    vec![
        Trial::test("every_break_of_el2_still_fits_the_sources", || {
            breaks::fit().map_err(|failure| failure.to_string().into())
        }),
        Trial::test("the_threat_model_names_tests_that_exist", move || threats(&names)),
    ]
}

/// Every row of the table of attacks names what shows it, in backticks: a scene or class (`*` for any end), an attempt of
/// the attacker, a file, or a command of `./x`.
fn threats(names: &[String]) -> Result<(), Failed> {
    let text = fs::read_to_string(root().join("docs/threat-model.md"))?;
    let attempts = fs::read_to_string(root().join("guests/attacker/src/attempts.rs"))?;
    let commands = fs::read_to_string(root().join("x"))?;
    let (_, table) = text.split_once("\n| attack |").ok_or("no table of attacks")?;
    let mut wrong = Vec::new();
    let mut rows = 0_u32;
    for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        rows = rows.saturating_add(1);
        let shown = row.trim_end_matches(['|', ' ']).rsplit('|').next().unwrap_or_default();
        let words: Vec<&str> = shown.split('`').skip(1).step_by(2).collect();
        if words.is_empty() {
            wrong.push(format!("nothing shows: {row}"));
        }
        for word in words {
            let begin = word.trim_end_matches('*');
            let known = names.iter().any(|name| name.starts_with(begin))
                || attempts.contains(&format!("\"{word}\" =>"))
                || word.contains('/') && root().join(word).exists()
                || word.strip_prefix("./x ").is_some_and(|command| commands.contains(&format!("    {command})")));
            if !known {
                wrong.push(format!("nothing is named {word}: {row}"));
            }
        }
    }
    match wrong.as_slice() {
        [] if rows > 20 => Ok(()),
        [] => Err("the table is short".into()),
        _ => Err(wrong.join("\n").into()),
    }
}
