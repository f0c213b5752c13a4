use runtime_macros::service;

#[service("payments")]
trait Nothing {
    async fn charge(&self, cx: &Context, request: Charge);
}

#[service("payments")]
trait NotAResult {
    async fn charge(&self, cx: &Context, request: Charge) -> Option<Receipt>;
}

#[service("payments")]
trait ErrorLeftOut {
    async fn charge(&self, cx: &Context, request: Charge) -> io::Result<Receipt>;
}

#[service("payments")]
trait BothLeftOut {
    async fn charge(&self, cx: &Context, request: Charge) -> Result;
}

fn main() {}
