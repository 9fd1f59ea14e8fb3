//! Logs.
use crate::app::Result;
use crate::domain::agent::Stream;
use crate::ids::RunId;
use crate::store::Conn;

pub async fn output(_conn: &mut Conn<'_>, _run: RunId, _job: &str, _stream: Stream, _max: usize) -> Result<String> {
    Ok(String::new())
}
