//! Which addresses a fetch that a caller asked for may reach.
//!
//! A URL in a request must not turn the service into a door to the networks behind it. So only addresses of the public
//! internet are reachable by it, and what the operator lists as an exception ([`AllowRule`]). A rule for a network or
//! an address speaks of addresses: it holds for a literal in a URL and for what a name resolves to. A rule for a host
//! speaks of the name in the URL and trusts wherever that name leads.

// From `core`: addresses as values, without the sockets that `std` has beside them.
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Host;

/// One exception: `10.1.0.0/16`, `fd00::/8`, `10.1.2.3`, `lab.example.org`, `*.lab.example.org`, `localhost:8080`,
/// `127.0.0.1:8080`, `[::1]:8080`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AllowRule {
    /// Every address of the network, at any port. A bare address is a network of one.
    Net(IpNet),
    /// One address at one port.
    Socket(SocketAddr),
    /// A host by its name in the URL, whatever address it has.
    Host {
        /// A name in lower case without a final dot; or `*.` and a suffix, for every name below the suffix (not the
        /// suffix itself).
        pattern: String,
        /// Only this port; any if absent.
        port: Option<u16>,
    },
}

/// The text is not an [`AllowRule`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` does not name addresses to allow: {reason}; want a network (10.0.0.0/8), an address, a host \
         (lab.example.org), `*.` and a suffix, or one of the last three with `:` and a port"
)]
pub struct InvalidAllowRule {
    /// What was given, cut to 80 characters.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl AllowRule {
    /// Whether the rule names this host of a URL, which is reached at `port`, so that its addresses need not be looked
    /// at.
    #[must_use]
    pub fn matches_host(&self, host: &str, port: u16) -> bool {
        let Self::Host { pattern, port: only } = self else { return false };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let named = match pattern.strip_prefix('*') {
            Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
            None => host == *pattern,
        };
        named && only.is_none_or(|only| only == port)
    }

    /// Whether the rule names this address, which is reached at its port. An IPv4 address written as IPv6
    /// (`::ffff:10.0.0.1`) is the IPv4 address.
    #[must_use]
    pub fn matches_address(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        match self {
            Self::Net(net) => net.contains(&ip) || net.contains(&address.ip()),
            Self::Socket(only) => *only == SocketAddr::new(ip, address.port()),
            Self::Host { .. } => false,
        }
    }
}

impl FromStr for AllowRule {
    type Err = InvalidAllowRule;

    fn from_str(text: &str) -> Result<Self, InvalidAllowRule> {
        parse(text.trim()).map_err(|reason| InvalidAllowRule { text: text.chars().take(80).collect(), reason })
    }
}

fn parse(text: &str) -> Result<AllowRule, &'static str> {
    if text.contains("://") {
        return Err("it is a URL");
    }
    if let Ok(address) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(AllowRule::Net(address.to_canonical().into()));
    }
    if text.contains('/') {
        let net = text.parse::<IpNet>().map_err(|_| "it is not a network in CIDR form")?;
        return Ok(AllowRule::Net(net.trunc()));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().map_err(|_| "its port is not a number from 1 to 65535")?)),
        None => (text, None),
    };
    if port == Some(0) {
        return Err("its port is not a number from 1 to 65535");
    }
    let (prefix, name) = host.strip_prefix("*.").map_or(("", host), |suffix| ("*.", suffix));
    match Host::parse(name).map_err(|_| "it holds no host name")? {
        Host::Domain(name) if is_name(name.trim_end_matches('.')) => {
            Ok(AllowRule::Host { pattern: format!("{prefix}{}", name.trim_end_matches('.')), port })
        }
        Host::Ipv4(address) if prefix.is_empty() => Ok(address_rule(address.into(), port)),
        Host::Ipv6(address) if prefix.is_empty() => Ok(address_rule(address.into(), port)),
        _ => Err("it holds no host name"),
    }
}

fn address_rule(address: IpAddr, port: Option<u16>) -> AllowRule {
    let address = address.to_canonical();
    match port {
        Some(port) => AllowRule::Socket(SocketAddr::new(address, port)),
        None => AllowRule::Net(address.into()),
    }
}

fn is_name(name: &str) -> bool {
    name.split('.').all(|label| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    })
}

impl fmt::Display for AllowRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net(net) if net.prefix_len() == net.max_prefix_len() => write!(f, "{}", net.addr()),
            Self::Net(net) => write!(f, "{net}"),
            Self::Socket(address) => write!(f, "{address}"),
            Self::Host { pattern, port: None } => f.write_str(pattern),
            Self::Host { pattern, port: Some(port) } => write!(f, "{pattern}:{port}"),
        }
    }
}

impl Serialize for AllowRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AllowRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What of IPv4 is not the public internet (IANA IPv4 Special-Purpose Address Registry, RFC 6890).
const SPECIAL_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::UNSPECIFIED, 8),           // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),      // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),   // shared by a carrier's customers (CGNAT)
    (Ipv4Addr::new(127, 0, 0, 0), 8),     // loopback
    (Ipv4Addr::new(169, 254, 0, 0), 16),  // link-local, clouds' metadata
    (Ipv4Addr::new(172, 16, 0, 0), 12),   // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),    // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),    // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),  // 6to4 relays
    (Ipv4Addr::new(192, 168, 0, 0), 16),  // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),   // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),  // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),     // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),     // reserved, broadcast
];

/// What of `2000::/3` is not the public internet (IANA IPv6 Special-Purpose Address Registry).
const SPECIAL_V6: [(Ipv6Addr, u32); 5] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments: Teredo, benchmarks, ORCHID
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4: carries an IPv4 address
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), 16), // 6bone, given back
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// Whether the address belongs to the public internet. An IPv6 address that only stands for an IPv4 address (mapped,
/// `::ffff:0:0/96`, or behind the well-known NAT64 prefix, `64:ff9b::/96`) is judged by that; every other form that
/// carries one is refused.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !SPECIAL_V4.iter().any(|(net, length)| (net.to_bits() ^ address.to_bits()) >> (32 - length) == 0)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let carried = match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some((high, low)),
        _ => None,
    };
    if let Some((high, low)) = carried {
        return is_public_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    }
    // All that is not 2000::/3 is loopback, local, multicast, unassigned or a translation of something else.
    address.to_bits() >> 125 == 1
        && !SPECIAL_V6.iter().any(|(net, length)| (net.to_bits() ^ address.to_bits()) >> (128 - length) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> AllowRule {
        text.parse().unwrap()
    }

    #[test]
    fn only_the_public_internet_is_public() {
        let refused = [
            ("0.0.0.0", "0.255.255.255"),
            ("10.0.0.0", "10.255.255.255"),
            ("100.64.0.0", "100.127.255.255"),
            ("127.0.0.0", "127.255.255.255"),
            ("169.254.0.0", "169.254.255.255"),
            ("172.16.0.0", "172.31.255.255"),
            ("192.0.0.0", "192.0.0.255"),
            ("192.0.2.0", "192.0.2.255"),
            ("192.88.99.0", "192.88.99.255"),
            ("192.168.0.0", "192.168.255.255"),
            ("198.18.0.0", "198.19.255.255"),
            ("198.51.100.0", "198.51.100.255"),
            ("203.0.113.0", "203.0.113.255"),
            ("224.0.0.0", "239.255.255.255"),
            ("240.0.0.0", "255.255.255.255"),
            ("::", "::1"),
            ("::7f00:1", "::ffff"),                         // IPv4-compatible
            ("::ffff:10.0.0.0", "::ffff:10.255.255.255"),   // IPv4-mapped
            ("::ffff:127.0.0.1", "::ffff:169.254.169.254"), // IPv4-mapped
            ("::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8"),     // IPv4-translated
            ("64:ff9b::127.0.0.1", "64:ff9b::192.168.0.1"), // NAT64
            ("64:ff9b:1::", "64:ff9b:1:ffff::8.8.8.8"),     // NAT64 for local use
            ("100::", "100:0:0:1::1"),                      // discard, dummy
            ("2001::", "2001:0:ffff::8.8.8.8"),             // Teredo
            ("2001:2::", "2001:2::ffff"),                   // benchmarks
            ("2001:10::", "2001:1ff:ffff::"),               // ORCHID and the rest of the assignments
            ("2001:db8::", "2001:db8:ffff::1"),             // documentation
            ("2002:7f00:1::", "2002:808:808::1"),           // 6to4
            ("3ffe::1", "3ffe:ffff::"),                     // 6bone
            ("3fff::", "3fff:fff:ffff::"),                  // documentation
            ("4000::", "5f00::1"),                          // unassigned, segment routing
            ("fc00::", "fdff:ffff::1"),                     // unique local
            ("fd00:ec2::254", "fd20:ce::254"),              // clouds' metadata
            ("fe80::", "febf::1"),                          // link-local
            ("fec0::", "feff::1"),                          // site-local
            ("ff00::", "ff02::1"),                          // multicast
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::"),
        ];
        for address in refused.iter().flat_map(|(first, last)| [first, last]) {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        let reached = [
            "1.0.0.0",
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.88.98.255",
            "192.88.100.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "198.51.101.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "2000::1",
            "2001:200::1",
            "2001:db7:ffff::1",
            "2001:db9::1",
            "2001:4860:4860::8888",
            "2003::1",
            "2606:4700:4700::1111",
            "2a00:1450::1",
            "3ffd::1",
            "3fff:1000::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ];
        for address in reached {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn rules_are_read_and_shown() {
        let host = |pattern: &str, port| AllowRule::Host { pattern: pattern.to_owned(), port };
        let net = |text: &str| AllowRule::Net(text.parse().unwrap());
        let socket = |text: &str| AllowRule::Socket(text.parse().unwrap());
        let table = [
            ("10.0.0.0/8", net("10.0.0.0/8"), "10.0.0.0/8"),
            (" 10.1.2.3/8 ", net("10.0.0.0/8"), "10.0.0.0/8"),
            ("fd00::/8", net("fd00::/8"), "fd00::/8"),
            ("10.1.2.3", net("10.1.2.3/32"), "10.1.2.3"),
            ("127.1", net("127.0.0.1/32"), "127.0.0.1"),
            ("::1", net("::1/128"), "::1"),
            ("[::1]", net("::1/128"), "::1"),
            ("0.0.0.0/0", net("0.0.0.0/0"), "0.0.0.0/0"),
            ("::ffff:127.0.0.1", net("127.0.0.1/32"), "127.0.0.1"),
            ("127.0.0.1:8080", socket("127.0.0.1:8080"), "127.0.0.1:8080"),
            ("[::1]:8080", socket("[::1]:8080"), "[::1]:8080"),
            ("[::ffff:127.0.0.1]:8080", socket("127.0.0.1:8080"), "127.0.0.1:8080"),
            ("localhost", host("localhost", None), "localhost"),
            ("Lab.Example.ORG.", host("lab.example.org", None), "lab.example.org"),
            ("lab_1.example.org:443", host("lab_1.example.org", Some(443)), "lab_1.example.org:443"),
            ("*.example.org", host("*.example.org", None), "*.example.org"),
            ("*.example.org:80", host("*.example.org", Some(80)), "*.example.org:80"),
            ("bücher.example", host("xn--bcher-kva.example", None), "xn--bcher-kva.example"),
        ];
        for (text, want, shown) in table {
            assert_eq!(rule(text), want, "{text}");
            assert_eq!(rule(text).to_string(), shown);
            assert_eq!(rule(shown), want, "what is shown reads back");
            let json = serde_json::to_string(&want).unwrap();
            assert_eq!(serde_json::from_str::<AllowRule>(&json).unwrap(), want);
        }
        let wrong = [
            "",
            " ",
            "*",
            "*.",
            "*.1.2.3.4",
            "*.*.org",
            "a.*.org",
            "a*b",
            "host:99999",
            "http://lab.example.org",
            "10.0.0.0/33",
            "10.0.0.0/8:80",
            "lab/24",
            "lab:0",
            "lab:65536",
            "lab:http",
            "lab:",
            ":80",
            "a b",
            "a..b",
            "user@lab",
            "1.2.3.4.5",
        ];
        for text in wrong {
            let error = text.parse::<AllowRule>().unwrap_err();
            assert!(error.to_string().contains("10.0.0.0/8"), "{text}: {error}");
        }
    }

    #[test]
    fn rules_match_what_they_name() {
        let table = [
            ("10.0.0.0/8", "10.9.9.9:1", true),
            ("10.0.0.0/8", "[::ffff:10.9.9.9]:1", true),
            ("10.0.0.0/8", "11.0.0.0:1", false),
            ("::ffff:10.0.0.1", "10.0.0.1:1", true),
            ("::ffff:0:0/96", "[::ffff:10.0.0.1]:1", true),
            ("10.0.0.1:80", "10.0.0.1:80", true),
            ("10.0.0.1:80", "[::ffff:10.0.0.1]:80", true),
            ("10.0.0.1:80", "10.0.0.1:81", false),
            ("10.0.0.1:80", "10.0.0.2:80", false),
            ("[::1]:80", "[::1]:80", true),
            ("[::1]:80", "[::1]:81", false),
            ("localhost", "127.0.0.1:80", false),
        ];
        for (text, address, want) in table {
            assert_eq!(rule(text).matches_address(address.parse().unwrap()), want, "{text} {address}");
        }
        let table = [
            ("localhost", "localhost", 1, true),
            ("localhost", "LocalHost.", 1, true),
            ("localhost", "xlocalhost", 1, false),
            ("localhost:80", "localhost", 80, true),
            ("localhost:80", "localhost", 81, false),
            ("*.example.org", "a.example.org", 1, true),
            ("*.example.org", "a.b.example.org", 1, true),
            ("*.example.org", "example.org", 1, false),
            ("*.example.org", ".example.org", 1, false),
            ("*.example.org", "badexample.org", 1, false),
            ("*.example.org", "a.example.org.evil.net", 1, false),
            ("10.0.0.0/8", "10.9.9.9", 80, false),
            ("127.0.0.1:80", "127.0.0.1", 80, false),
        ];
        for (text, host, port, want) in table {
            assert_eq!(rule(text).matches_host(host, port), want, "{text} {host} {port}");
        }
    }
}
