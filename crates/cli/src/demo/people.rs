//! The people of `config/demo/policy.yaml`, with the passwords that only the demo has in clear.

/// One of them.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) password: &'static str,
}

/// In the order in which the demo introduces them.
pub(super) const PEOPLE: &[Person] = &[
    Person { name: "rita", title: "sales rep, region North", password: "rita_demo" },
    Person { name: "max", title: "sales manager", password: "max_demo" },
    Person { name: "olga", title: "operator, without rules", password: "olga_demo" },
    Person { name: "sam", title: "sales rep, region South", password: "sam_demo" },
    Person { name: "hanna", title: "human resources", password: "hanna_demo" },
];

/// The person of that name.
pub(super) fn person(name: &str) -> Option<&'static Person> {
    PEOPLE.iter().find(|person| person.name == name)
}
