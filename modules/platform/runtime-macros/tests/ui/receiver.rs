use runtime_macros::service;

#[service("payments")]
trait Without {
    async fn charge(cx: &Context, request: Charge) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait Mutable {
    async fn charge(&mut self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait ByValue {
    async fn charge(self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait Shared {
    async fn charge(self: Arc<Self>, cx: &Context, request: Charge)
    -> Result<Receipt, PaymentError>;
}

fn main() {}
