//! Single places that get a station or a car park.
use super::Position;

const fn p(lat: f64, lon: f64) -> Position {
    Position::new(lat, lon)
}

/// Car parks: name and place.
pub(crate) static LOTS: &[(&str, Position)] = &[
    ("Chợ Đông Ba", p(16.4728, 107.5885)),
    ("Ga Huế", p(16.4562, 107.5778)),
    ("Công viên Lý Tự Trọng", p(16.4630, 107.5890)),
    ("Bến xe phía Nam", p(16.4440, 107.6140)),
    ("Quảng trường Ngọ Môn", p(16.4680, 107.5782)),
    ("Bệnh viện Trung ương Huế", p(16.4610, 107.5870)),
    ("Phố đi bộ Nguyễn Đình Chiểu", p(16.4660, 107.5925)),
    ("Chợ An Cựu", p(16.4570, 107.6002)),
    ("Khu đô thị An Vân Dương", p(16.4682, 107.6190)),
    ("Chùa Thiên Mụ", p(16.4556, 107.5470)),
    ("Chợ Bến Ngự", p(16.4552, 107.5832)),
    ("Cửa Hiển Nhơn", p(16.4725, 107.5800)),
];

/// Air stations: name, place, how dirty the place is beside the city's mean.
pub(crate) static AIR: &[(&str, Position, f64)] = &[
    ("Lê Lợi", p(16.4618, 107.5866), 1.0),
    ("Hùng Vương", p(16.4602, 107.5968), 1.15),
    ("Đại Nội", p(16.4705, 107.5778), 0.85),
    ("Bến xe phía Bắc", p(16.4822, 107.5462), 1.45),
    ("Vỹ Dạ", p(16.4745, 107.6075), 0.9),
    ("Thuỷ Xuân", p(16.4310, 107.5768), 0.75),
    ("Phú Bài", p(16.4002, 107.6905), 1.6),
    ("Hương Trà", p(16.4690, 107.4480), 1.05),
    ("Thuận An", p(16.5605, 107.6505), 0.7),
    ("Phong Điền", p(16.5890, 107.3600), 0.95),
    ("Chân Mây", p(16.2900, 107.9900), 1.1),
    ("A Lưới", p(16.2750, 107.2300), 0.55),
];

/// Noise meters: name, place, whether the zone is special (hospital, school, temple).
pub(crate) static NOISE: &[(&str, Position, bool)] = &[
    ("Trần Hưng Đạo", p(16.4722, 107.5889), false),
    ("Bệnh viện Trung ương Huế", p(16.4607, 107.5876), true),
    ("Hùng Vương", p(16.4586, 107.5984), false),
    ("Quốc Học", p(16.4585, 107.5832), true),
    ("Phố đi bộ Võ Thị Sáu", p(16.4672, 107.5940), false),
    ("Đại Nội", p(16.4698, 107.5768), true),
    ("An Dương Vương", p(16.4488, 107.6094), false),
    ("Bến xe phía Bắc", p(16.4826, 107.5455), false),
    ("Thiên Mụ", p(16.4562, 107.5455), true),
    ("Lê Duẩn", p(16.4648, 107.5768), false),
    ("Phạm Văn Đồng", p(16.4762, 107.6130), false),
    ("Đại học Sư phạm", p(16.4650, 107.5902), true),
    ("Chi Lăng", p(16.4812, 107.5920), false),
    ("Điện Biên Phủ", p(16.4470, 107.5808), false),
    ("Nam Giao", p(16.4388, 107.5782), true),
    ("Tố Hữu", p(16.4676, 107.6168), false),
];

/// Rain gauges: name and place.
pub(crate) static RAIN: &[(&str, Position)] = &[
    ("Huế", p(16.4590, 107.5850)),
    ("Kim Long", p(16.4585, 107.5570)),
    ("Nam Đông", p(16.1650, 107.7200)),
    ("A Lưới", p(16.2740, 107.2310)),
    ("Bình Điền", p(16.3500, 107.4620)),
    ("Phú Ốc", p(16.5320, 107.4720)),
    ("Tà Lương", p(16.2900, 107.3300)),
    ("Thuận An", p(16.5595, 107.6495)),
    ("Phú Lộc", p(16.2780, 107.8850)),
    ("Phong Điền", p(16.5850, 107.3580)),
];

/// A river gauge.
#[derive(Debug)]
pub(crate) struct Gauge {
    pub(crate) id: &'static str,
    /// Value of the label `station`.
    pub(crate) station: &'static str,
    /// Value of the label `river`.
    pub(crate) river: &'static str,
    pub(crate) place: Position,
    /// Level on a dry day, in metres above the station's datum.
    pub(crate) base_m: f64,
    /// How far the tide moves it, in metres.
    pub(crate) tide_m: f64,
}

const fn gauge(
    id: &'static str,
    station: &'static str,
    river: &'static str,
    place: Position,
    base_m: f64,
    tide_m: f64,
) -> Gauge {
    Gauge { id, station, river, place, base_m, tide_m }
}

/// River gauges; the first two carry the city's flood alarm levels.
pub(crate) static GAUGES: &[Gauge] = &[
    gauge("WL-KIMLONG", "kim-long", "huong", p(16.4560, 107.5590), 0.42, 0.12),
    gauge("WL-PHUOC", "phu-oc", "bo", p(16.5300, 107.4700), 0.58, 0.08),
    gauge("WL-ANCUU", "an-cuu", "an-cuu", p(16.4555, 107.5990), 0.40, 0.10),
    gauge("WL-DAPDA", "dap-da", "nhu-y", p(16.4702, 107.5978), 0.41, 0.12),
    gauge("WL-THAOLONG", "thao-long", "huong", p(16.5440, 107.6030), 0.25, 0.18),
    gauge("WL-PHONGBINH", "phong-binh", "o-lau", p(16.6700, 107.3800), 0.45, 0.05),
    gauge("WL-CAUTRUOI", "cau-truoi", "truoi", p(16.3150, 107.7700), 0.70, 0.04),
    gauge("WL-DONGBA", "dong-ba", "dong-ba", p(16.4790, 107.5860), 0.40, 0.10),
];
