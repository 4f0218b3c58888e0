//! Section `networks`: which networks of all rules an address is in, found by one binary search.
//!
//! The addresses of a family are cut into intervals, ascending and without gaps from the first on; each names the smallest
//! network that holds it, and each network the next larger one around it, so an address walks at most as many networks as
//! an address has bits.
//!
//! Layout: tables (count; attribute, slice of the IPv4 intervals, slice of the IPv6 intervals), IPv4 intervals (count; first
//! address u32, network), IPv6 intervals (count; first address u128, network), networks (count; the one around it, slice
//! of the atoms), atoms (count, u32 each). Where there is none, a network is [`NONE`].

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::atoms::{AtomId, Atoms, Test};
use crate::attributes::AttributeId;
use crate::bundle::BundleError;
use crate::codec::{
    ArrayRange, Bytes, Cursor, Partition, Record, check_index, record, records, slice, write_array,
};
use crate::pace::Pace;

/// No network.
pub const NONE: u32 = u32::MAX;

/// More networks around one another are refused: an address has 128 bits.
const MAX_DEPTH: u32 = 129;
/// Checking an interval's network takes as long as looking at so many bytes, beside its own.
const WORK_EACH: usize = 20;

/// The intervals of one attribute, as slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Whose addresses are looked up.
    pub attribute: AttributeId,
    /// Of the IPv4 intervals.
    pub v4: (u32, u32),
    /// Of the IPv6 intervals.
    pub v6: (u32, u32),
}

impl Record for Table {
    const LEN: usize = 20;

    fn write(&self, out: &mut Vec<u8>) {
        self.attribute.write(out);
        self.v4.write(out);
        self.v6.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(Table {
            attribute: u32::read(bytes)?,
            v4: <(u32, u32)>::read(bytes.get(4..)?)?,
            v6: <(u32, u32)>::read(bytes.get(12..)?)?,
        })
    }
}

/// The addresses from `first` on, up to the next interval's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval<T> {
    /// The first address.
    pub first: T,
    /// The smallest network that holds them, or [`NONE`].
    pub network: u32,
}

impl Record for Interval<u32> {
    const LEN: usize = 8;

    fn write(&self, out: &mut Vec<u8>) {
        self.first.write(out);
        self.network.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(Interval {
            first: u32::read(bytes)?,
            network: u32::read(bytes.get(4..)?)?,
        })
    }
}

impl Record for Interval<u128> {
    const LEN: usize = 20;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.first.to_le_bytes());
        self.network.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(Interval {
            first: u128::from_le_bytes(*bytes.first_chunk()?),
            network: u32::read(bytes.get(16..)?)?,
        })
    }
}

/// A network that rules name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// The next larger one around it, which stands before it, or [`NONE`].
    pub around: u32,
    /// The atoms that an address in it makes true, a slice.
    pub atoms: (u32, u32),
}

impl Record for Network {
    const LEN: usize = 12;

    fn write(&self, out: &mut Vec<u8>) {
        self.around.write(out);
        self.atoms.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(Network {
            around: u32::read(bytes)?,
            atoms: <(u32, u32)>::read(bytes.get(4..)?)?,
        })
    }
}

/// The section's contents.
#[derive(Debug, Clone, Default)]
pub struct NetworksWriter {
    /// Ascending by attribute.
    pub tables: Vec<Table>,
    /// Of all tables, one behind the other.
    pub v4: Vec<Interval<u32>>,
    /// Of all tables, one behind the other.
    pub v6: Vec<Interval<u128>>,
    /// Larger ones before those in them.
    pub networks: Vec<Network>,
    /// What the networks' slices point into.
    pub atoms: Vec<AtomId>,
}

impl NetworksWriter {
    /// The section.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write_array(&self.tables, &mut out);
        write_array(&self.v4, &mut out);
        write_array(&self.v6, &mut out);
        write_array(&self.networks, &mut out);
        write_array(&self.atoms, &mut out);
        out
    }
}

/// The section, checked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Networks {
    bytes: Bytes,
    tables: ArrayRange,
    v4: ArrayRange,
    v6: ArrayRange,
    networks: ArrayRange,
    atoms: ArrayRange,
}

impl Networks {
    pub(crate) async fn read(
        bytes: &Bytes,
        atoms: &Atoms,
        pace: &Pace,
    ) -> Result<Networks, BundleError> {
        let mut cursor = Cursor::new(bytes, "networks");
        let section = Networks {
            bytes: bytes.clone(),
            tables: ArrayRange::read::<Table>(bytes, &mut cursor)?,
            v4: ArrayRange::read::<Interval<u32>>(bytes, &mut cursor)?,
            v6: ArrayRange::read::<Interval<u128>>(bytes, &mut cursor)?,
            networks: ArrayRange::read::<Network>(bytes, &mut cursor)?,
            atoms: ArrayRange::read::<u32>(bytes, &mut cursor)?,
        };
        cursor.finish()?;
        section.check_tables()?;
        section.check_networks()?;
        section.check_atoms(atoms, pace).await?;
        Ok(section)
    }

    pub(crate) fn attributes(&self) -> impl Iterator<Item = AttributeId> {
        self.all_tables().map(|table| table.attribute)
    }

    /// Tells the atoms that an address makes true, by the table of this index. An atom can be told more than once.
    pub(crate) fn find(&self, table: u32, address: IpAddr, mut tell: impl FnMut(AtomId)) {
        let Some(table) = record::<Table>(self.tables.view(&self.bytes), table) else {
            return;
        };
        let mut network = match address.to_canonical() {
            IpAddr::V4(address) => {
                let own = slice::<Interval<u32>>(self.v4.view(&self.bytes), table.v4.0, table.v4.1);
                smallest(own, u32::from(address))
            }
            IpAddr::V6(address) => {
                let own =
                    slice::<Interval<u128>>(self.v6.view(&self.bytes), table.v6.0, table.v6.1);
                smallest(own, u128::from(address))
            }
        };
        while let Some(found) = self.network(network) {
            let atoms = self.atoms.view(&self.bytes);
            records(slice::<u32>(atoms, found.atoms.0, found.atoms.1)).for_each(&mut tell);
            network = found.around;
        }
    }

    fn network(&self, index: u32) -> Option<Network> {
        record(self.networks.view(&self.bytes), index)
    }

    fn all_tables(&self) -> impl Iterator<Item = Table> {
        records(self.tables.view(&self.bytes))
    }

    fn check_tables(&self) -> Result<(), BundleError> {
        let what = "networks";
        if !self
            .all_tables()
            .is_sorted_by(|a, b| a.attribute < b.attribute)
        {
            return Err(BundleError::BadValue { what });
        }
        let (mut v4, mut v6) = (Partition::default(), Partition::default());
        for table in self.all_tables() {
            v4.next(table.v4, self.v4.len(), what)?;
            v6.next(table.v6, self.v6.len(), what)?;
            let own = slice::<Interval<u32>>(self.v4.view(&self.bytes), table.v4.0, table.v4.1);
            self.check_intervals::<u32>(own)?;
            let own = slice::<Interval<u128>>(self.v6.view(&self.bytes), table.v6.0, table.v6.1);
            self.check_intervals::<u128>(own)?;
        }
        v4.finish(self.v4.len(), what)?;
        v6.finish(self.v6.len(), what)
    }

    fn check_intervals<T: Ord>(&self, intervals: &[u8]) -> Result<(), BundleError>
    where
        Interval<T>: Record,
    {
        let what = "networks";
        for interval in records::<Interval<T>>(intervals) {
            if interval.network != NONE {
                check_index(interval.network, self.networks.len(), what)?;
            }
        }
        if records::<Interval<T>>(intervals).is_sorted_by(|a, b| a.first < b.first) {
            return Ok(());
        }
        Err(BundleError::BadValue { what })
    }

    /// Whatever is around a network stands before it, so each walk ends; and soon.
    fn check_networks(&self) -> Result<(), BundleError> {
        let what = "networks";
        let mut depths: Vec<u32> = Vec::new();
        let mut slices = Partition::default();
        for network in records::<Network>(self.networks.view(&self.bytes)) {
            slices.next(network.atoms, self.atoms.len(), what)?;
            let depth = match network.around {
                NONE => 1,
                around => depths
                    .get(around as usize)
                    .map(|depth| depth + 1)
                    .ok_or(BundleError::IndexOutOfRange { what })?,
            };
            if depth > MAX_DEPTH {
                return Err(BundleError::OverLimit { what });
            }
            depths.push(depth);
        }
        slices.finish(self.atoms.len(), what)
    }

    async fn check_atoms(&self, atoms: &Atoms, pace: &Pace) -> Result<(), BundleError> {
        let what = "networks";
        for id in records::<u32>(self.atoms.view(&self.bytes)) {
            check_index(id, atoms.count(), what)?;
        }
        let mut owners: Vec<Option<AttributeId>> = alloc::vec![None; self.networks.len() as usize];
        for table in self.all_tables() {
            let v4 = slice::<Interval<u32>>(self.v4.view(&self.bytes), table.v4.0, table.v4.1);
            let v6 = slice::<Interval<u128>>(self.v6.view(&self.bytes), table.v6.0, table.v6.1);
            let v4 = records::<Interval<u32>>(v4).map(|interval| interval.network);
            let v6 = records::<Interval<u128>>(v6).map(|interval| interval.network);
            for (index, network) in v4.chain(v6).enumerate() {
                pace.spend_on(index, WORK_EACH).await;
                self.check_chain(network, table.attribute, &mut owners, atoms)?;
            }
        }
        Ok(())
    }

    /// A network's atoms, and those of all around it, test the addresses that are looked up in it. `owners` are the
    /// attributes that networks were checked for, so that each is looked at once.
    fn check_chain(
        &self,
        mut network: u32,
        attribute: AttributeId,
        owners: &mut [Option<AttributeId>],
        atoms: &Atoms,
    ) -> Result<(), BundleError> {
        let what = "networks";
        while let Some(found) = self.network(network) {
            match owners.get_mut(network as usize) {
                Some(owner) if *owner == Some(attribute) => return Ok(()),
                Some(owner) if owner.is_none() => *owner = Some(attribute),
                _ => return Err(BundleError::BadValue { what }),
            }
            let all = self.atoms.view(&self.bytes);
            let own = slice::<u32>(all, found.atoms.0, found.atoms.1);
            let fits = |id: u32| {
                atoms.get(id).is_some_and(|atom| {
                    let tests_addresses =
                        matches!(atom.test, Test::InPrefixes(_) | Test::InList(_));
                    tests_addresses && atom.attribute == attribute
                })
            };
            if !records::<u32>(own).all(fits) {
                return Err(BundleError::BadValue { what });
            }
            network = found.around;
        }
        Ok(())
    }
}

/// The network of the last interval that starts at or before `address`.
fn smallest<T: Ord + Copy>(intervals: &[u8], address: T) -> u32
where
    Interval<T>: Record,
{
    let (mut low, mut high) = (0, intervals.len() / Interval::<T>::LEN);
    while low < high {
        let middle = low + (high - low) / 2;
        let found = u32::try_from(middle)
            .ok()
            .and_then(|index| record::<Interval<T>>(intervals, index));
        match found {
            Some(interval) if interval.first <= address => low = middle + 1,
            _ => high = middle,
        }
    }
    let last = low.checked_sub(1).and_then(|last| u32::try_from(last).ok());
    let found = last.and_then(|index| record::<Interval<T>>(intervals, index));
    found.map_or(NONE, |interval| interval.network)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atoms::View;
    use crate::attributes::Base;
    use crate::fixture;

    /// Three atoms over one address attribute.
    fn atoms() -> Atoms {
        let all = [0, 1, 2].map(|set| fixture::atom(0, View::Value, Test::InPrefixes(set)));
        fixture::atoms(Base::SourceIp, &all)
    }

    /// 0.0.0.16/28 with atom 0 and in it 0.0.0.20/30 with atoms 1 and 2; ::2/127 with atom 0.
    fn writer() -> NetworksWriter {
        let interval = |first, network| Interval { first, network };
        NetworksWriter {
            tables: [Table {
                attribute: 0,
                v4: (0, 4),
                v6: (0, 2),
            }]
            .into(),
            v4: [
                interval(16, 0),
                interval(20, 1),
                interval(24, 0),
                interval(32, NONE),
            ]
            .into(),
            v6: [
                Interval {
                    first: 2,
                    network: 2,
                },
                Interval {
                    first: 4,
                    network: NONE,
                },
            ]
            .into(),
            networks: [
                Network {
                    around: NONE,
                    atoms: (0, 1),
                },
                Network {
                    around: 0,
                    atoms: (1, 2),
                },
                Network {
                    around: NONE,
                    atoms: (3, 1),
                },
            ]
            .into(),
            atoms: [0, 1, 2, 0].into(),
        }
    }

    fn read(writer: &NetworksWriter) -> Result<Networks, BundleError> {
        let bytes = writer.write().as_slice().into();
        let atoms = atoms();
        crate::pace::at_once(async |pace| Networks::read(&bytes, &atoms, pace).await)
    }

    #[test]
    fn an_address_finds_every_network_around_it() {
        let networks = read(&writer()).unwrap();
        let cases: [(&str, &[AtomId]); 9] = [
            ("0.0.0.15", &[]),
            ("0.0.0.16", &[0]),
            ("0.0.0.20", &[1, 2, 0]),
            ("0.0.0.23", &[1, 2, 0]),
            ("0.0.0.24", &[0]),
            ("0.0.0.32", &[]),
            ("::ffff:0.0.0.16", &[0]),
            ("::3", &[0]),
            ("::4", &[]),
        ];
        for (address, expected) in cases {
            let mut found = Vec::new();
            networks.find(0, address.parse().unwrap(), |atom| found.push(atom));
            assert_eq!(found, expected, "{address}");
        }
    }

    #[test]
    fn what_would_not_end_or_not_be_found_is_refused() {
        let breakages: [fn(&mut NetworksWriter); 8] = [
            |writer| {
                writer
                    .networks
                    .iter_mut()
                    .for_each(|network| network.around = 1);
            },
            |writer| {
                writer
                    .networks
                    .iter_mut()
                    .for_each(|network| network.around = 9);
            },
            |writer| {
                writer
                    .networks
                    .iter_mut()
                    .for_each(|network| network.atoms.1 = 2);
            },
            |writer| writer.v4.swap(0, 1),
            |writer| writer.v6.iter_mut().for_each(|interval| interval.first = 2),
            |writer| {
                writer
                    .v6
                    .iter_mut()
                    .for_each(|interval| interval.network = 3);
            },
            |writer| writer.atoms.iter_mut().for_each(|atom| *atom = 3),
            |writer| writer.tables.iter_mut().for_each(|table| table.v4.1 = 5),
        ];
        for (index, break_it) in breakages.into_iter().enumerate() {
            let mut broken = writer();
            break_it(&mut broken);
            assert!(read(&broken).is_err(), "{index}");
        }
    }
}
