//! The outcome of a run as JUnit XML, for the tools that show tests in CI.
//!
//! In:  the outcome of each test.
//! Out: one XML document.
//!
//! Invariants:
//! - Well-formed whatever the tests and the database say: every text is escaped, and characters that XML 1.0 has
//!   no place for (section 2.2) are replaced.

use std::fmt::Write as _;
use std::time::Duration;

use super::Finished;
use super::run::Outcome;

/// Writes the document; tests of one file are one suite.
pub(super) fn document(finished: &[Finished<'_>]) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(xml, "<testsuites name=\"pgcordon\"{}>", totals(finished));
    let mut files: Vec<&str> = Vec::new();
    for one in finished {
        if !files.contains(&&*one.test.place.file) {
            files.push(&one.test.place.file);
        }
    }
    for file in files {
        let of_file: Vec<Finished<'_>> =
            finished.iter().filter(|one| &*one.test.place.file == file).cloned().collect();
        let _ = writeln!(xml, "  <testsuite name=\"{}\"{}>", escaped(file), totals(&of_file));
        for one in &of_file {
            case(one, &mut xml);
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn totals(finished: &[Finished<'_>]) -> String {
    let (mut failures, mut errors, mut time) = (0, 0, Duration::ZERO);
    for one in finished {
        match one.outcome {
            Outcome::Passed => {}
            Outcome::Failed(_) => failures += 1,
            Outcome::Broken(_) => errors += 1,
        }
        time += one.took;
    }
    let count = finished.len();
    let seconds = time.as_secs_f64();
    format!(" tests=\"{count}\" failures=\"{failures}\" errors=\"{errors}\" time=\"{seconds:.3}\"")
}

fn case(one: &Finished<'_>, xml: &mut String) {
    let (name, file) = (escaped(&one.test.name), escaped(&one.test.place.file));
    let (line, seconds) = (one.test.place.line, one.took.as_secs_f64());
    let _ = write!(
        xml,
        "    <testcase name=\"{name}\" classname=\"{file}\" file=\"{file}\" line=\"{line}\" time=\"{seconds:.3}\""
    );
    let (element, title, body) = match &one.outcome {
        Outcome::Passed => {
            xml.push_str("/>\n");
            return;
        }
        Outcome::Failed(lines) => {
            ("failure", "not what the test expects".to_owned(), lines.join("\n"))
        }
        Outcome::Broken(why) => ("error", why.clone(), why.clone()),
    };
    let (title, body) = (escaped(&title), escaped(&body));
    let _ = writeln!(
        xml,
        ">\n      <{element} message=\"{title}\">{body}</{element}>\n    </testcase>"
    );
}

/// For text and for attributes in double quotes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            // Written so, they stay what they are in an attribute.
            '\n' | '\r' | '\t' => {
                let _ = write!(escaped, "&#{};", u32::from(letter));
            }
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use pgcordon_policy::mistake::Place;
    use pgcordon_policy::{Expected, TestCase};

    use super::*;

    fn test(file: &str, name: &str) -> TestCase {
        TestCase {
            name: name.to_owned(),
            place: Place { file: file.into(), line: 3, column: 5 },
            user: "rita".to_owned(),
            database: None,
            statements: vec!["select 1".to_owned()],
            parameters: Vec::new(),
            expected: Expected::Answer { rows: None, count: Some(1), columns: None },
        }
    }

    #[test]
    fn a_suite_per_file_with_its_totals() {
        let (one, two, three) = (test("a.yaml", "one"), test("b.yaml", "two"), test("a.yaml", "3"));
        let took = Duration::from_millis(250);
        let finished = [
            Finished { test: &one, outcome: Outcome::Passed, took },
            Finished { test: &two, outcome: Outcome::Broken("closed".to_owned()), took },
            Finished {
                test: &three,
                outcome: Outcome::Failed(vec!["- 1 row".to_owned(), "+ 2 rows".to_owned()]),
                took,
            },
        ];
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
<testsuites name=\"pgcordon\" tests=\"3\" failures=\"1\" errors=\"1\" time=\"0.750\">\n  \
  <testsuite name=\"a.yaml\" tests=\"2\" failures=\"1\" errors=\"0\" time=\"0.500\">\n    \
    <testcase name=\"one\" classname=\"a.yaml\" file=\"a.yaml\" line=\"3\" time=\"0.250\"/>\n    \
    <testcase name=\"3\" classname=\"a.yaml\" file=\"a.yaml\" line=\"3\" time=\"0.250\">\n      \
      <failure message=\"not what the test expects\">- 1 row&#10;+ 2 rows</failure>\n    \
    </testcase>\n  \
  </testsuite>\n  \
  <testsuite name=\"b.yaml\" tests=\"1\" failures=\"0\" errors=\"1\" time=\"0.250\">\n    \
    <testcase name=\"two\" classname=\"b.yaml\" file=\"b.yaml\" line=\"3\" time=\"0.250\">\n      \
      <error message=\"closed\">closed</error>\n    \
    </testcase>\n  \
  </testsuite>\n\
</testsuites>\n";
        assert_eq!(document(&finished), expected);
    }

    #[test]
    fn no_text_breaks_the_document() {
        assert_eq!(escaped("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&apos;");
        assert_eq!(escaped("a\nb\tc\r"), "a&#10;b&#9;c&#13;");
        assert_eq!(escaped("\0\u{1b}\u{ffff}é…"), "\u{fffd}\u{fffd}\u{fffd}é…");
        assert_eq!(escaped("]]>"), "]]&gt;");
    }
}
