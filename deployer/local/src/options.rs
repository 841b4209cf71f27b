//! The options with which the local cloud is started, as the command line takes them.

/// How the local cloud is started.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Options {
    /// Port on 127.0.0.1; by default the port of the last start, 4566, or any free port
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// URL that functions and tasks use for AWS until the local cloud is stopped, such as that of a proxy that counts, shows or
    /// breaks their calls; by default that of the local cloud
    #[arg(long, value_name = "URL", value_parser = url)]
    pub worker_endpoint: Option<String>,
}

fn url(text: &str) -> Result<String, String> {
    match reqwest::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(text.to_owned()),
        _ => Err("expected a URL such as http://127.0.0.1:8080".to_owned()),
    }
}
