use runtime_macros::service;

#[service]
trait Nameless {
    async fn charge(&self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError>;
}

#[service(payments)]
trait Unquoted {
    async fn charge(&self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError>;
}

#[service("payments", "orders")]
trait OfTwoServices {
    async fn charge(&self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError>;
}

#[service("")]
trait Empty {
    async fn charge(&self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError>;
}

#[service("Card Payments")]
trait NotAPathSegment {
    async fn charge(&self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError>;
}

#[service("2pay")]
trait DigitFirst {
    async fn charge(&self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError>;
}

fn main() {}
