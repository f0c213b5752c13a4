//! `/v1/notifications/organizers/{organizer_id}`: the words in which an organizer writes. All of it
//! has one version, the `ETag` of each part.

pub(super) mod get_sender;
pub(super) mod get_template;
pub(super) mod list_templates;
pub(super) mod preview_template;
pub(super) mod put_sender;
pub(super) mod put_template;
pub(super) mod reset_template;

use edge::{FieldFault, Problem, RequestPart, Tagged};
use garde::Validate;
use runtime::Context;
use serde::{Deserialize, Serialize};
use store::{ExecuteError, Loaded};
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use crate::{
    domain::{
        mail::Rejection,
        notice::Kind,
        stationery::{Command, Stationery},
    },
    templates::{Template, TemplateFault, VARIABLES},
};

/// A template as it is written.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MailTemplateInput, example = json!({
    "subject": "Your tickets for {{ event.name }}",
    "text": "Hello {{ buyer.name }},\n\nyour order {{ order.code }} is paid.\n",
    "html": "<p>Hello {{ buyer.name }},</p><p>your order {{ order.code }} is paid.</p>",
}))]
pub(super) struct TemplateInput {
    /// One line.
    #[garde(length(chars, min = 1, max = 500), custom(printable))]
    #[schema(min_length = 1, max_length = 500)]
    subject: String,
    /// For programs that show plain text.
    #[garde(length(chars, min = 1, max = 15_000), custom(printable))]
    #[schema(min_length = 1, max_length = 15_000)]
    text: String,
    /// For all others. Variables are escaped. A mail fetches nothing when it is opened: no pictures
    /// but those that it brings along (`data:`), no style sheets or fonts from elsewhere, no forms.
    #[garde(length(chars, min = 1, max = 15_000), custom(printable))]
    #[schema(min_length = 1, max_length = 15_000)]
    html: String,
}

fn printable<C>(text: &str, _: &C) -> garde::Result {
    let is_strange = |it: char| it.is_control() && !matches!(it, '\n' | '\r' | '\t');
    if text.chars().any(is_strange) {
        return Err(garde::Error::new("has control characters"));
    }
    Ok(())
}

impl TemplateInput {
    /// The template, when nothing is wrong with it.
    fn checked(self) -> Result<Template, Problem> {
        let Self { subject, text, html } = self;
        let template = Template { subject, text, html };
        let faults = template.faults();
        if faults.is_empty() { Ok(template) } else { Err(refused(faults)) }
    }
}

/// All faults of a template, each with its part and line.
fn refused(faults: Vec<TemplateFault>) -> Problem {
    Problem::invalid(faults.into_iter().map(|TemplateFault { part, line, what }| {
        let detail = match line {
            Some(line) => format!("line {line}: {what}"),
            None => what,
        };
        FieldFault::new(RequestPart::Body, format!("/{}", part.name()), detail)
    }))
}

/// A template, and whose it is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MailTemplateResource)]
pub(in crate::http) struct TemplateResource {
    kind: Kind,
    /// Whether these are the words that Boxoffice comes with.
    built_in: bool,
    #[serde(flatten)]
    template: Template,
    /// What a template can say.
    variables: Vec<Variable>,
}

/// Something that a template can say, such as `{{ order.code }}`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MailVariable, example = json!({
    "name": "order.code",
    "meaning": "The order's code, which people read to each other.",
}))]
struct Variable {
    name: &'static str,
    meaning: &'static str,
}

impl TemplateResource {
    fn of(stationery: &Stationery, kind: Kind) -> Self {
        let own = stationery.templates.get(&kind).cloned();
        let variables = VARIABLES.iter().map(|&(name, meaning)| Variable { name, meaning });
        Self {
            kind,
            built_in: own.is_none(),
            template: own.unwrap_or_else(|| Template::built_in(kind)),
            variables: variables.collect(),
        }
    }
}

/// The name beside the sender's address.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MailSender, example = json!({"name": "Riverside Concerts", "built_in": false}))]
pub(in crate::http) struct SenderResource {
    name: String,
    /// Whether it is the installation's name, since the organizer has chosen none.
    built_in: bool,
}

impl App {
    /// The organizer's words, for its members and admins. Untouched ones have the version 0.
    async fn stationery(
        &self,
        cx: &Context,
        organizer_id: Uuid,
    ) -> Result<Loaded<Stationery>, Problem> {
        self.require_member(cx, organizer_id).await?;
        let found = self.stationery.load(organizer_id).await?;
        Ok(found.unwrap_or(Loaded { state: Stationery::default(), version: 0 }))
    }

    async fn change_stationery(
        &self,
        cx: &Context,
        organizer_id: Uuid,
        version: u64,
        command: Command,
    ) -> Result<Loaded<Stationery>, Problem> {
        self.require_member(cx, organizer_id).await?;
        let execution = self.stationery.execute(cx, organizer_id, command);
        let changed = execution.expect_version(version).await;
        changed.map_err(|error| {
            let error: ExecuteError<Rejection> = error.map_rejection(|never| match never {});
            error.into()
        })
    }

    fn sender(&self, stationery: &Loaded<Stationery>) -> Tagged<edge::Json<SenderResource>> {
        let own = stationery.state.sender_name.clone();
        let built_in = own.is_none();
        let name = own.unwrap_or_else(|| self.sender_name.to_string());
        Tagged(stationery.version, edge::Json(SenderResource { name, built_in }))
    }
}
