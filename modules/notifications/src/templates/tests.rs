use proptest::prelude::*;

use super::*;

fn template(text: &str) -> Template {
    let subject = "Your order".to_owned();
    Template { subject, text: text.to_owned(), html: "<p>Hello</p>".to_owned() }
}

fn faults(text: &str) -> Vec<String> {
    let found = template(text).faults();
    found.into_iter().map(|fault| format!("{}: {}", fault.line.unwrap_or(0), fault.what)).collect()
}

fn rendered(text: &str) -> String {
    template(text).render(&Variables::sample()).expect("it can be rendered").text
}

#[test]
fn the_built_in_words_are_in_order() {
    for kind in Kind::ALL {
        let template = Template::built_in(kind);
        assert_eq!(template.faults(), Vec::new(), "{kind:?}");
        let mail = template.render(&Variables::sample()).expect("it can be rendered");
        assert!(mail.text.contains("K7MPX2QA"), "{kind:?}: {}", mail.text);
        assert!(mail.html.contains("Quartet &amp; friends &lt;by the river&gt;"), "{kind:?}");
        assert!(!mail.text.contains("\n\n\n"), "{kind:?} has gaps: {}", mail.text);
        let sparse = template.render(&Variables::sparse_sample()).expect("it can be rendered");
        assert!(!sparse.text.contains("\n\n\n"), "{kind:?} has gaps: {}", sparse.text);
    }
}

#[test]
fn the_built_in_words_fit_the_largest_order() {
    let mut largest = Variables::sample();
    for letter in ["&", "'", "\u{1F3AB}"] {
        let name = letter.repeat(200);
        let seat = letter.repeat(150);
        largest.event.name.clone_from(&name);
        largest.event.venue.clone_from(&name);
        largest.buyer.name = letter.repeat(100);
        let position = |number| PositionLine {
            number,
            name: name.clone(),
            seat: seat.clone(),
            price: "9999999999.99 EUR".to_owned(),
        };
        largest.positions = (1..=400).map(position).collect();
        let ticket = |number| TicketEntry {
            label: format!("{name}, {seat}"),
            code: format!("BX1.{number:0>200}"),
        };
        largest.tickets = (1..=400).map(ticket).collect();
        largest.reason = letter.repeat(500);
        for kind in Kind::ALL {
            let mail = Template::render_built_in(kind, &largest).expect("it can be rendered");
            if kind == Kind::OrderConfirmation {
                assert!(mail.text.contains("400. ") && mail.html.contains("400</code>"));
            }
        }
    }
}

#[test]
fn a_mail_in_an_organizers_words_fetches_nothing_when_it_is_opened() {
    let html = |html: &str| Template { html: html.to_owned(), ..template("Hello") };
    let spying = html("<img src=\"https://example.org/{{ order.secret }}\">");
    let found = spying.faults();
    assert_eq!(found[0].part, Part::Html);
    assert!(found[0].what.contains("src; link to it instead"), "{}", found[0].what);
    // Words are put together when the mail is, if not before.
    let sly =
        "<img {% if order.code == \"K7MPX2QB\" %}s{% else %}t{% endif %}rc=\"//example.org\">";
    let sly = html(sly);
    assert_eq!(sly.faults(), Vec::new());
    let mut variables = Variables::sample();
    variables.order.code = "K7MPX2QB".to_owned();
    assert!(sly.render(&variables).is_err());
    let linking = html("<a href=\"https://example.org/{{ order.code }}\">{{ event.name }}</a>");
    assert_eq!(linking.faults(), Vec::new());
}

#[test]
fn a_buyer_without_a_name_is_greeted_all_the_same() {
    let mut variables = Variables::sample();
    variables.buyer.name = String::new();
    for kind in Kind::ALL {
        let mail = Template::render_built_in(kind, &variables).expect("it can be rendered");
        assert!(mail.text.starts_with("Hello,\n") && mail.html.starts_with("<p>Hello,</p>"));
    }
}

#[test]
fn the_confirmation_has_the_codes_and_the_secret_for_guests() {
    let template = Template::built_in(Kind::OrderConfirmation);
    let mail = template.render(&Variables::sample()).expect("it can be rendered");
    assert!(mail.text.contains("BX1.SAMPLE-2") && mail.text.contains("a-sample-secret"));
}

#[test]
fn variables_conditions_and_loops_are_what_a_template_has() {
    assert_eq!(rendered("{{ order.code|lower }}"), "k7mpx2qa");
    assert_eq!(rendered("{% if reason and amount != \"\" %}yes{% else %}no{% endif %}"), "yes");
    let loops =
        "{% for it in positions if it.number > 1 %}{{ loop.index }}:{{ it.seat }}{% endfor %}";
    assert_eq!(rendered(loops), "1:Stalls, row A, seat 2");
    assert_eq!(rendered("{{ tickets|length }}{{ \" \" if buyer.is_guest else \"!\" }}"), "2 ");
}

#[test]
fn html_is_escaped_and_plain_text_is_not() {
    let both = "{{ event.name }}".to_owned();
    let template = Template { subject: both.clone(), text: both.clone(), html: both };
    let mail = template.render(&Variables::sample()).expect("it can be rendered");
    assert_eq!(mail.text, "Quartet & friends <by the river>");
    assert_eq!(mail.html, "Quartet &amp; friends &lt;by the river&gt;");
}

#[test]
fn a_subject_is_one_line_whatever_is_in_it() {
    let mut variables = Variables::sample();
    variables.event.name = "Quartet\r\nBcc: everybody@example.org\u{0}".to_owned();
    let subject = "Tickets for\n {{ event.name }}".to_owned();
    let template = Template { subject, ..template("") };
    let mail = template.render(&variables).expect("it can be rendered");
    assert_eq!(mail.subject, "Tickets for Quartet Bcc: everybody@example.org");
}

#[test]
fn every_fault_is_found_with_its_line() {
    let found =
        faults("{{ order.cod }}\n{{ nothing }}\n{% for t in event %}{% endfor %}\n{{ tickets }}");
    assert_eq!(
        found,
        [
            "1: there is no cod here; there is code, secret, total",
            "2: there is no variable nothing",
            "3: only a list can be gone through",
            "4: a list or a group cannot be printed; name what of it",
        ]
    );
    let parts = Template {
        subject: "{{ a }}".to_owned(),
        text: "{{ b }}".to_owned(),
        html: "{{ c".to_owned(),
    };
    let parts: Vec<Part> = parts.faults().into_iter().map(|fault| fault.part).collect();
    assert_eq!(parts, [Part::Subject, Part::Text, Part::Html]);
}

#[test]
fn a_template_reaches_nothing_but_the_variables() {
    for attempt in [
        "{% include \"/etc/passwd\" %}",
        "{% import \"x\" as y %}",
        "{% extends \"x\" %}",
        "{% macro a() %}{% endmacro %}",
        "{% set a = order.code %}{{ a }}",
        "{% with a = 1 %}{{ a }}{% endwith %}",
        "{% do order.code %}",
        "{% filter upper %}x{% endfilter %}",
        "{% autoescape false %}{{ event.name }}{% endautoescape %}",
        "{{ range(10) }}",
        "{{ debug() }}",
        "{{ order.code.upper() }}",
        "{{ order[\"code\"] }}",
        "{{ order.__class__ }}",
        "{{ event.name|safe }}",
        "{{ event.name|replace(\"a\", \"b\") }}",
        "{{ \"x\" * 1000000 }}",
        "{{ 2 ** 100 }}",
        "{{ order.code ~ order.code }}",
        "{{ [order.code] }}",
        "{{ {\"a\": 1} }}",
        "{{ (order, event) }}",
        "{{ order.code[1:2] }}",
        "{{ order is mapping }}",
        "{{ env }}",
        "{{ self }}",
        "{{ loop.index }}",
        "{% for a in positions recursive %}{{ loop(positions) }}{% endfor %}",
    ] {
        assert_ne!(faults(attempt), Vec::<String>::new(), "{attempt}");
    }
}

#[test]
fn a_template_cannot_make_the_engine_work_long_or_deep() {
    let chain = format!("{{{{ order{} }}}}", ".code".repeat(3_000));
    let nested = format!("{{{{ {}order.code{} }}}}", "(".repeat(3_000), ")".repeat(3_000));
    let ifs = format!("{}{}", "{% if reason %}".repeat(300), "{% endif %}".repeat(300));
    let elifs = format!("{{% if reason %}}{}{{% endif %}}", "{% elif reason %}".repeat(300));
    for source in [chain, nested, ifs, elifs] {
        assert_eq!(faults(&source).len(), 1, "{source:.40}");
    }
    let loops = "{% for a in positions %}".repeat(9) + "{% if reason %}{% endif %}";
    let loops = loops + &"{% endfor %}".repeat(9);
    let mut variables = Variables::sample();
    variables.positions = vec![variables.positions[0].clone(); 50];
    let stopped = template(&loops).render(&variables).expect_err("it would take years");
    assert_eq!(stopped[0].what, "it takes too long");
    let long = format!("{{% for a in positions %}}{}{{% endfor %}}", "x".repeat(10_000));
    let stopped = template(&long).render(&variables).expect_err("it would be half a megabyte");
    assert_eq!(stopped[0].what, "the mail becomes too long");
}

proptest! {
    #[test]
    fn no_template_makes_it_panic(source in "(\\{\\{|\\}\\}|\\{%|%\\}|\\{#|#\\}|if |for |in |end|order|[ .|a-z0-9\"'()*~\\[\\]-]){0,40}") {
        let _found = template(&source).faults();
    }

    #[test]
    fn what_is_found_in_order_can_be_rendered(name in "order.code|event.name|amount|reason", text in "[a-z {}%]{0,30}") {
        let template = template(&format!("{text}{{{{ {name} }}}}"));
        if template.faults().is_empty() {
            prop_assert!(template.render(&Variables::sample()).is_ok());
        }
    }
}
