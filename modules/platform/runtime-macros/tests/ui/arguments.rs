use runtime_macros::service;

#[service("payments")]
trait Nothing {
    async fn charge(&self) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait WithoutContext {
    async fn charge(&self, request: Charge) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait ContextByValue {
    async fn charge(&self, cx: Context, request: Charge) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait ContextMutable {
    async fn charge(&self, cx: &mut Context, request: Charge) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait ContextLast {
    async fn charge(&self, request: Charge, cx: &Context) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait WithoutRequest {
    async fn charge(&self, cx: &Context) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait TwoRequests {
    async fn charge(&self, cx: &Context, order: Uuid, amount: Money) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait RequestByReference {
    async fn charge(&self, cx: &Context, request: &Charge) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait RequestOfSomeType {
    async fn charge(&self, cx: &Context, request: impl Request) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait RequestTakenApart {
    async fn charge(&self, cx: &Context, Charge { order }: Charge) -> Result<Receipt, PaymentError>;
}

fn main() {}
