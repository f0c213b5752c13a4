//! The OpenAPI document: a service's part of it, the parts put together, and what every endpoint
//! has in common.
//!
//! It is served by `docs.rs`.

use std::collections::{BTreeMap, HashMap, HashSet};

use axum::http::Method;
use runtime::Module;
use serde_json::{Value, json};
use utoipa::{
    IntoParams, ToSchema,
    openapi::{
        Content, Info, License, OpenApi, OpenApiBuilder, Ref, RefOr, Required, Response, Schema,
        Server, Tag,
        example::ExampleBuilder,
        extensions::Extensions,
        path::{Operation, Parameter, ParameterIn, PathItem},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
        tag::TagBuilder,
    },
};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    FieldFault, PROBLEM_JSON, Problem, ProblemType, RequestPart,
    problem::Occurrence,
    problems::{self, Explanation},
    stack::TokenUse,
};

/// The name of the security scheme of access tokens: `security(("bearer" = []))` in a handler's
/// description.
pub const BEARER: &str = "bearer";

/// Where a document keeps the explanations of its problems.
const EXPLANATIONS: &str = "x-problem-types";

const ABOUT: &str = "Sells tickets: events, holds, orders, payments, tickets with codes, check-in.\n\n\
    Log in with `POST /v1/auth/login`, press **Authorize** and paste the access token. Every error \
    is a problem as in RFC 9457, and its `type` leads to its explanation. `POST`s that create or \
    pay take an `Idempotency-Key`. Lists come in pages; go on with `next_cursor`. What can be edited \
    has an `ETag`, and takes it back as `If-Match`.";

/// The part of `service` for its `Module::openapi`: its routes, and the problems that are its own.
pub fn describe<S>(
    service: &'static str,
    routes: OpenApiRouter<S>,
    own_problems: &[&ProblemType],
) -> OpenApi
where
    S: Send + Sync + Clone + 'static,
{
    let mut document = routes.into_openapi();
    let own: Vec<Explanation> =
        own_problems.iter().map(|kind| Explanation::of(service, kind)).collect();
    document.extensions = Some(Extensions::from_iter([(EXPLANATIONS, json!(own))]));
    document
}

/// The document of `modules` together. Each operation gets its service's tag, the security scheme
/// is declared, and the problems that follow from what an operation is are added to it.
pub fn merge(modules: &[&'static Module]) -> OpenApi {
    let tags =
        modules.iter().filter(|module| !module.prefixes.is_empty()).map(|module| tag(module));
    let mut whole = OpenApiBuilder::new()
        .info(info())
        .servers(Some([Server::new("/")]))
        .tags(Some(tags))
        .build();
    let mut kinds = problems::explanations();
    for module in modules {
        let mut part = (module.openapi)();
        kinds.extend(explanations(&part));
        part.extensions = None;
        for item in part.paths.paths.values_mut() {
            complete(module.name, item);
        }
        whole.merge(part);
    }
    let components = whole.components.get_or_insert_default();
    for (name, schema) in schemas_of::<Problem>() {
        components.schemas.entry(name).or_insert(schema);
    }
    components.security_schemes.insert(BEARER.to_owned(), bearer().into());
    whole.extensions = Some(Extensions::from_iter([(EXPLANATIONS, json!(kinds))]));
    whole
}

/// The explanations of the problems that a document may answer with.
pub fn explanations(document: &OpenApi) -> Vec<Explanation> {
    document
        .extensions
        .as_ref()
        .and_then(|extensions| extensions.get(EXPLANATIONS))
        .and_then(|kinds| serde_json::from_value(kinds.clone()).ok())
        .unwrap_or_default()
}

/// What two modules both claim in the document and describe differently, one sentence each: schemas
/// and operations by name, problems by slug. A test sees to it that there is nothing.
pub fn clashes(modules: &[&'static Module]) -> Vec<String> {
    let mut seen: BTreeMap<String, (&str, Value)> = BTreeMap::new();
    let mut clashes = Vec::new();
    for module in modules {
        for (claim, what) in claims(&(module.openapi)()) {
            match seen.get(&claim) {
                Some((other, theirs)) if *theirs != what => {
                    clashes.push(format!("{other} and {} both have the {claim}", module.name));
                }
                Some(_) => {}
                None => {
                    seen.insert(claim, (module.name, what));
                }
            }
        }
    }
    clashes
}

fn claims(document: &OpenApi) -> Vec<(String, Value)> {
    let components = document.components.iter().flat_map(|components| &components.schemas);
    let schemas = components.map(|(name, schema)| (format!("schema {name}"), json!(schema)));
    let handlers = document.paths.paths.iter().flat_map(|(path, item)| {
        let ids = operations(item).into_iter().filter_map(|it| it.operation_id.clone());
        ids.map(move |id| (format!("operation {id}"), json!(path)))
    });
    let kinds = explanations(document).into_iter();
    let own_problems = kinds.map(|kind| (format!("problem {}", kind.slug), json!(kind)));
    schemas.chain(handlers).chain(own_problems).collect()
}

/// What the operations of `document` that take an access token do with it, each under its method
/// and route.
pub(crate) fn token_uses(document: &OpenApi) -> HashMap<(Method, String), TokenUse> {
    let takers = by_route(document).filter(|(_, operation)| takes_token(operation));
    takers.map(|(place, operation)| (place, token_use(operation))).collect()
}

/// The operations of `document` that give pages, each as its method and route.
pub(crate) fn paged(document: &OpenApi) -> HashSet<(Method, String)> {
    let paged = by_route(document)
        .filter(|(_, operation)| parameter(operation, &ParameterIn::Query, "cursor").is_some());
    paged.map(|(place, _)| place).collect()
}

fn by_route(document: &OpenApi) -> impl Iterator<Item = ((Method, String), &Operation)> {
    document.paths.paths.iter().flat_map(|(route, item)| {
        let methods = [
            (Method::GET, &item.get),
            (Method::PUT, &item.put),
            (Method::POST, &item.post),
            (Method::DELETE, &item.delete),
            (Method::HEAD, &item.head),
            (Method::PATCH, &item.patch),
        ];
        let described = methods.into_iter().filter_map(|(method, it)| Some((method, it.as_ref()?)));
        described.map(|(method, operation)| ((method, route.clone()), operation))
    })
}

fn takes_token(operation: &Operation) -> bool {
    token_use(operation) != TokenUse::None
}

/// One of an operation's requirements suffices, and the empty one asks for nothing.
fn token_use(operation: &Operation) -> TokenUse {
    match operation.security.as_deref().unwrap_or_default() {
        [] => TokenUse::None,
        requirements if requirements.contains(&SecurityRequirement::default()) => TokenUse::Welcome,
        _ => TokenUse::Needed,
    }
}

/// The responses for `kinds`, for use in `IntoResponses`; [`crate::problem_responses!`] writes that
/// for you. Kinds of one status become one response with an example of each.
pub fn responses(kinds: &[&'static ProblemType]) -> BTreeMap<String, RefOr<Response>> {
    let mut responses = BTreeMap::new();
    for kind in kinds {
        add(&mut responses, kind);
    }
    responses
}

/// Declares a type that stands for problems in a handler's `responses(...)`.
///
/// ```
/// # static SOLD_OUT: edge::ProblemType = edge::ProblemType {
/// #     slug: "sold-out", status: 409, title: "", meaning: "", what_to_do: "",
/// # };
/// edge::problem_responses! {
///     /// What placing an order may be refused with.
///     pub(crate) PlaceProblems: SOLD_OUT
/// }
///
/// #[utoipa::path(post, path = "/v1/orders", responses((status = 201), PlaceProblems))]
/// async fn place() {}
/// ```
#[macro_export]
macro_rules! problem_responses {
    ($(#[$about:meta])* $visibility:vis $name:ident: $($kind:path),+ $(,)?) => {
        $(#[$about])*
        $visibility struct $name;

        impl $crate::IntoResponses for $name {
            fn responses() -> ::std::collections::BTreeMap<
                ::std::string::String,
                $crate::ResponseOrRef,
            > {
                $crate::openapi::responses(&[$(&$kind),+])
            }
        }
    };
}

/// The `If-Match` header, required: `params(IfMatchHeader)` in a handler's description.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read by the derive only")]
pub struct IfMatchHeader {
    /// The `ETag` of the resource as you have read it.
    #[param(rename = "If-Match", example = "\"3\"")]
    if_match: String,
}

fn schemas_of<T: ToSchema>() -> Vec<(String, RefOr<Schema>)> {
    let mut schemas = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut schemas);
    schemas
}

fn info() -> Info {
    let mut info = Info::new("Boxoffice", env!("CARGO_PKG_VERSION"));
    info.description = Some(ABOUT.to_owned());
    info.license = Some(License::new(env!("CARGO_PKG_LICENSE")));
    info
}

fn tag(module: &Module) -> Tag {
    TagBuilder::new().name(module.name).description(Some(module.about)).build()
}

fn bearer() -> SecurityScheme {
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("The `access_token` that `POST /v1/auth/login` answers with."))
        .build();
    SecurityScheme::Http(scheme)
}

fn operations(item: &PathItem) -> Vec<&Operation> {
    [&item.get, &item.put, &item.post, &item.delete, &item.head, &item.patch]
        .into_iter()
        .flatten()
        .collect()
}

/// Gives each operation of a path its tag and its problems.
fn complete(service: &str, item: &mut PathItem) {
    let PathItem { get, put, post, delete, head, patch, .. } = item;
    for operation in [get, put, post, delete, head, patch].into_iter().flatten() {
        operation.tags = Some(vec![service.to_owned()]);
        let kinds = usual_problems(operation);
        let responses = &mut operation.responses.responses;
        for response in responses.values_mut() {
            correct_media_type(response);
        }
        for kind in kinds {
            add(responses, kind);
        }
    }
}

/// The problems that follow from what an operation is.
fn usual_problems(operation: &Operation) -> Vec<&'static ProblemType> {
    let places: Vec<&ParameterIn> = parameters(operation).map(|it| &it.parameter_in).collect();
    let header = |name| parameter(operation, &ParameterIn::Header, name);
    let is_required = |it: &Parameter| it.required == Required::True;
    let has_body = operation.request_body.is_some();

    let mut kinds = vec![&problems::INTERNAL, &problems::TOO_BUSY, &problems::SERVICE_UNAVAILABLE];
    kinds.push(&problems::TIMED_OUT);
    if takes_token(operation) {
        kinds.extend([&problems::UNAUTHENTICATED, &problems::TOKEN_EXPIRED, &problems::FORBIDDEN]);
    }
    if has_body {
        kinds.extend([&problems::MALFORMED_JSON, &problems::UNSUPPORTED_MEDIA_TYPE]);
        kinds.extend([&problems::PAYLOAD_TOO_LARGE, &problems::REQUEST_TIMEOUT]);
    }
    if has_body || !places.is_empty() {
        kinds.push(&problems::INVALID_INPUT);
    }
    if places.contains(&&ParameterIn::Path) {
        kinds.push(&problems::NOT_FOUND);
    }
    if let Some(key) = header("idempotency-key") {
        kinds.extend(is_required(key).then_some(&problems::IDEMPOTENCY_KEY_MISSING));
        kinds.extend([&problems::IDEMPOTENCY_KEY_REUSED, &problems::IDEMPOTENCY_KEY_IN_FLIGHT]);
    }
    if let Some(condition) = header("if-match") {
        kinds.extend(is_required(condition).then_some(&problems::PRECONDITION_REQUIRED));
        kinds.push(&problems::PRECONDITION_FAILED);
    }
    kinds
}

fn parameters(operation: &Operation) -> impl Iterator<Item = &Parameter> {
    operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
        RefOr::T(it) => Some(it),
        RefOr::Ref(_) => None,
    })
}

fn parameter<'a>(
    operation: &'a Operation,
    place: &ParameterIn,
    name: &str,
) -> Option<&'a Parameter> {
    parameters(operation).find(|it| it.parameter_in == *place && it.name.eq_ignore_ascii_case(name))
}

/// A problem that was described as plain JSON.
fn correct_media_type(response: &mut RefOr<Response>) {
    let RefOr::T(response) = response else { return };
    let is_problem =
        response.content.get("application/json").is_some_and(|content| match content {
            RefOr::T(Content { schema: Some(RefOr::Ref(schema)), .. }) => {
                schema.ref_location == problem_schema().ref_location
            }
            _ => false,
        });
    if is_problem && let Some(content) = response.content.shift_remove("application/json") {
        response.content.insert(PROBLEM_JSON.to_owned(), content);
    }
}

fn problem_schema() -> Ref {
    Ref::from_schema_name("Problem")
}

/// Adds a problem to what its status is documented with.
fn add(responses: &mut BTreeMap<String, RefOr<Response>>, kind: &'static ProblemType) {
    let entry = responses
        .entry(kind.status.to_string())
        .or_insert_with(|| RefOr::T(Response::new(String::new())));
    let RefOr::T(response) = entry else { return };
    let line = format!("`{}`: {}.", kind.slug, kind.title);
    if !response.description.contains(&format!("`{}`", kind.slug)) {
        let gap = if response.description.is_empty() { "" } else { "\n\n" };
        response.description = format!("{}{gap}{line}", response.description);
    }
    let content = response
        .content
        .entry(PROBLEM_JSON.to_owned())
        .or_insert_with(|| RefOr::T(Content::new(Some(problem_schema()))));
    if let RefOr::T(content) = content {
        let example = ExampleBuilder::new().summary(kind.title).value(Some(sample(kind))).build();
        content.examples.entry(kind.slug.to_owned()).or_insert(RefOr::T(example));
    }
}

fn sample(kind: &'static ProblemType) -> Value {
    let fault = FieldFault::new(RequestPart::Body, "/items/0/quantity", "must be 1 or more");
    let faults = (kind == &problems::INVALID_INPUT).then_some(fault);
    let request_id = "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c0de";
    let occurrence = Occurrence { path: "/v1/orders", request_id };
    json!(Problem::new(kind).faults(faults).document(Some(&occurrence)))
}
