//! Tickets: as many as an order has positions, until they are void.

use contracts::tickets::{
    FindTickets, IssueTickets, IssuedTickets, OrderTickets, PrintTickets, PrintedTickets,
    TicketError, TicketLine, TicketState, Tickets, VoidTickets, VoidedTickets,
};

use super::*;

pub(crate) static TICKETS: Module = module(
    "tickets",
    &["/v1/fakes/tickets", "/v1/fakes/issued"],
    &[Provided::of::<dyn Tickets>()],
    &[],
    |boot| {
        Box::pin(async {
            let moods = Arc::new(Moods::default());
            let issued: Arc<Mutex<HashMap<Uuid, Issued>>> = Arc::default();
            let shown = Arc::clone(&issued);
            let show = async move |Path(id): Path<Uuid>| {
                let issued = lock(&shown);
                let valid = issued.get(&id).map_or(0, |it| it.ids.len() - it.void.len());
                axum::Json(valid)
            };
            let routes = Router::new().route("/v1/fakes/issued/{order_id}", get(show));
            boot.public(moods.routes("tickets").merge(routes));
            boot.provide::<dyn Tickets>(Arc::new(FakeTickets { moods, issued }));
            Ok(())
        })
    },
);

#[derive(Default)]
struct Issued {
    ids: Vec<Uuid>,
    void: HashSet<Uuid>,
    is_void: bool,
}

struct FakeTickets {
    moods: Arc<Moods>,
    issued: Arc<Mutex<HashMap<Uuid, Issued>>>,
}

impl FakeTickets {
    async fn begin(&self, method: &'static str) -> Result<bool, TicketError> {
        let mood = self.moods.take(method).await;
        if mood == BREAK_BEFORE {
            return Err(broken("tickets", method).into());
        }
        Ok(mood == BREAK_AFTER)
    }
}

#[async_trait]
impl Tickets for FakeTickets {
    async fn issue(
        &self,
        _cx: &Context,
        request: IssueTickets,
    ) -> Result<IssuedTickets, TicketError> {
        let breaks = self.begin("issue").await?;
        let order_id = request.order_id;
        let mut issued = lock(&self.issued);
        let Issued { ids, is_void, .. } = issued.entry(order_id).or_default();
        if *is_void {
            return Err(TicketError::Voided { order_id });
        }
        if ids.is_empty() {
            ids.extend((1..=request.positions.len() as u128).map(Uuid::from_u128));
        }
        unless(breaks, "tickets", "issue", IssuedTickets { ticket_ids: ids.clone() })
    }

    async fn void(
        &self,
        _cx: &Context,
        request: VoidTickets,
    ) -> Result<VoidedTickets, TicketError> {
        let breaks = self.begin("void").await?;
        let mut issued = lock(&self.issued);
        let Issued { ids, void, is_void } = issued.entry(request.order_id).or_default();
        let is_whole = request.ticket_ids.is_empty();
        *is_void |= is_whole;
        void.extend(if is_whole { ids.clone() } else { request.ticket_ids });
        let ticket_ids = void.iter().copied().collect();
        unless(breaks, "tickets", "void", VoidedTickets { ticket_ids })
    }

    async fn find(&self, _cx: &Context, request: FindTickets) -> Result<OrderTickets, TicketError> {
        let issued = lock(&self.issued);
        let Some(Issued { ids, void, .. }) = issued.get(&request.order_id) else {
            return Ok(OrderTickets { tickets: Vec::new() });
        };
        let lines = (1..).zip(ids).map(|(position, &ticket_id)| TicketLine {
            ticket_id,
            position,
            ticket_type_name: "Stalls".to_owned(),
            seat: None,
            state: if void.contains(&ticket_id) { TicketState::Voided } else { TicketState::Valid },
        });
        Ok(OrderTickets { tickets: lines.collect() })
    }

    async fn print(
        &self,
        _cx: &Context,
        _request: PrintTickets,
    ) -> Result<PrintedTickets, TicketError> {
        Err(broken("tickets", "print").into())
    }
}
