//! Streets of the inner city and its junctions.
use super::{Polyline, Position};

/// How a street is lit and used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreetClass {
    /// A main road: strong lamps, much traffic.
    Main,
    /// A street of shops and homes.
    Local,
}

/// A street.
#[derive(Debug)]
pub(crate) struct Street {
    /// Its name on the signs.
    pub(crate) name: &'static str,
    pub(crate) class: StreetClass,
    points: &'static [Position],
}

impl Street {
    pub(crate) fn line(&self) -> Polyline<'static> {
        Polyline(self.points)
    }
}

const fn p(lat: f64, lon: f64) -> Position {
    Position::new(lat, lon)
}

const fn street(name: &'static str, class: StreetClass, points: &'static [Position]) -> Street {
    Street { name, class, points }
}

use StreetClass::{Local, Main};

/// Streets of the inner city: along both banks, in the citadel, and out along the national road; as in the sketch
/// map of `configs/cities/hue` where that has them.
pub(crate) static STREETS: &[Street] = &[
    street(
        "Lê Duẩn",
        Main,
        &[p(16.4785, 107.5547), p(16.4596, 107.5695), p(16.4587, 107.5707), p(16.4680, 107.5834)],
    ),
    street(
        "Hùng Vương",
        Main,
        &[
            p(16.4645, 107.5862),
            p(16.4622, 107.5905),
            p(16.4596, 107.5943),
            p(16.4570, 107.5976),
            p(16.4545, 107.6000),
        ],
    ),
    street(
        "An Dương Vương",
        Main,
        &[
            p(16.4545, 107.6000),
            p(16.4515, 107.6030),
            p(16.4464, 107.6089),
            p(16.4432, 107.6131),
            p(16.4380, 107.6210),
        ],
    ),
    street("Lê Lợi", Main, &[p(16.4572, 107.5775), p(16.4648, 107.5875), p(16.4716, 107.5960)]),
    street(
        "Nguyễn Huệ",
        Local,
        &[p(16.4562, 107.5786), p(16.4621, 107.5883), p(16.4639, 107.5908), p(16.4702, 107.5985)],
    ),
    street("Điện Biên Phủ", Main, &[p(16.4570, 107.5798), p(16.4534, 107.5804), p(16.4380, 107.5820)]),
    street(
        "Minh Mạng",
        Local,
        &[
            p(16.4380, 107.5820),
            p(16.4327, 107.5809),
            p(16.4292, 107.5812),
            p(16.4258, 107.5828),
            p(16.4217, 107.5841),
        ],
    ),
    street(
        "Bùi Thị Xuân",
        Main,
        &[
            p(16.4572, 107.5775),
            p(16.4548, 107.5745),
            p(16.4535, 107.5721),
            p(16.4523, 107.5694),
            p(16.4515, 107.5662),
            p(16.4508, 107.5627),
            p(16.4496, 107.5525),
            p(16.4485, 107.5480),
        ],
    ),
    street(
        "Kim Long",
        Main,
        &[
            p(16.4583, 107.5684),
            p(16.4555, 107.5503),
            p(16.4534, 107.5401),
            p(16.4520, 107.5374),
            p(16.4490, 107.5340),
        ],
    ),
    street(
        "Trần Hưng Đạo",
        Main,
        &[p(16.4680, 107.5834), p(16.4717, 107.5891), p(16.4725, 107.5900), p(16.4742, 107.5912)],
    ),
    street(
        "Chi Lăng",
        Local,
        &[
            p(16.4742, 107.5912),
            p(16.4770, 107.5922),
            p(16.4791, 107.5926),
            p(16.4814, 107.5927),
            p(16.4835, 107.5925),
            p(16.4855, 107.5918),
            p(16.4874, 107.5906),
            p(16.4900, 107.5880),
        ],
    ),
    street("Đinh Tiên Hoàng", Local, &[p(16.4676, 107.5828), p(16.4849, 107.5693)]),
    street(
        "Mai Thúc Loan",
        Local,
        &[p(16.4734, 107.5736), p(16.4794, 107.5819), p(16.4795, 107.5898), p(16.4800, 107.5925)],
    ),
    street(
        "Bà Triệu",
        Main,
        &[
            p(16.4602, 107.5935),
            p(16.4630, 107.5973),
            p(16.4653, 107.5994),
            p(16.4698, 107.6028),
            p(16.4765, 107.6088),
        ],
    ),
    street(
        "Phạm Văn Đồng",
        Main,
        &[p(16.4690, 107.6020), p(16.4728, 107.6065), p(16.4755, 107.6093), p(16.4860, 107.6185)],
    ),
    street(
        "Tố Hữu",
        Main,
        &[
            p(16.4628, 107.5895),
            p(16.4637, 107.5962),
            p(16.4638, 107.6011),
            p(16.4632, 107.6064),
            p(16.4612, 107.6118),
            p(16.4492, 107.6312),
        ],
    ),
    street(
        "Lý Thái Tổ",
        Main,
        &[p(16.4790, 107.5545), p(16.4855, 107.5545), p(16.4931, 107.5512), p(16.4961, 107.5450)],
    ),
    street("Hoàng Quốc Việt", Main, &[p(16.4464, 107.6089), p(16.4540, 107.6150), p(16.4612, 107.6118)]),
    street("Trần Phú", Local, &[p(16.4560, 107.5850), p(16.4500, 107.5870), p(16.4440, 107.5880)]),
    street("Nguyễn Trãi", Local, &[p(16.4638, 107.5735), p(16.4782, 107.5622)]),
    street("Hai Mươi Ba Tháng Tám", Local, &[p(16.4650, 107.5752), p(16.4692, 107.5808)]),
    street("Tăng Bạt Hổ", Local, &[p(16.4780, 107.5556), p(16.4908, 107.5732)]),
    street("Huỳnh Thúc Kháng", Local, &[p(16.4745, 107.5882), p(16.4875, 107.5790)]),
    street("Bạch Đằng", Local, &[p(16.4775, 107.5905), p(16.4880, 107.5845)]),
    street("Bến Nghé", Local, &[p(16.4642, 107.5928), p(16.4606, 107.5902)]),
    street("Phan Chu Trinh", Local, &[p(16.4535, 107.5800), p(16.4568, 107.5873), p(16.4577, 107.5935)]),
    street(
        "Nguyễn Sinh Cung",
        Local,
        &[p(16.4730, 107.5972), p(16.4758, 107.6000), p(16.4819, 107.6024), p(16.4856, 107.6041)],
    ),
    street("Ngự Bình", Local, &[p(16.4500, 107.5990), p(16.4440, 107.5960), p(16.4380, 107.5990)]),
];

/// Signalled junctions, by the streets that meet.
pub(crate) static JUNCTIONS: &[(&str, Position)] = &[
    ("Hùng Vương – Lê Lợi", p(16.4641, 107.5866)),
    ("Lê Lợi – Trường Tiền", p(16.4672, 107.5905)),
    ("Hùng Vương – Nguyễn Huệ", p(16.4629, 107.5894)),
    ("Hùng Vương – Bà Triệu", p(16.4602, 107.5934)),
    ("Hùng Vương – An Dương Vương", p(16.4547, 107.5998)),
    ("Hùng Vương – Bến Nghé", p(16.4613, 107.5918)),
    ("Lê Lợi – Bùi Thị Xuân", p(16.4572, 107.5778)),
    ("Lê Lợi – Nguyễn Trường Tộ", p(16.4606, 107.5819)),
    ("Lê Lợi – Đội Cung", p(16.4686, 107.5922)),
    ("Lê Lợi – Đập Đá", p(16.471, 107.5953)),
    ("Nguyễn Huệ – Trần Phú", p(16.4596, 107.5842)),
    ("Nguyễn Huệ – Đống Đa", p(16.4662, 107.5936)),
    ("Điện Biên Phủ – Lê Lợi", p(16.4566, 107.5799)),
    ("Điện Biên Phủ – Phan Chu Trinh", p(16.4534, 107.5804)),
    ("Điện Biên Phủ – Trần Thái Tông", p(16.448, 107.581)),
    ("Điện Biên Phủ – Minh Mạng", p(16.4384, 107.5819)),
    ("Bùi Thị Xuân – Lịch Đợi", p(16.4535, 107.5722)),
    ("Bùi Thị Xuân – Huyền Trân Công Chúa", p(16.4515, 107.5662)),
    ("Lê Duẩn – Kim Long", p(16.459, 107.5704)),
    ("Lê Duẩn – Cửa Ngăn", p(16.4645, 107.5787)),
    ("Lê Duẩn – Trần Hưng Đạo", p(16.468, 107.5832)),
    ("Lê Duẩn – Lý Thái Tổ", p(16.4783, 107.5549)),
    ("Lê Duẩn – Nguyễn Trãi", p(16.4616, 107.5746)),
    ("Trần Hưng Đạo – Trường Tiền", p(16.4716, 107.5876)),
    ("Trần Hưng Đạo – Chi Lăng", p(16.474, 107.5909)),
    ("Chi Lăng – Nguyễn Chí Thanh", p(16.4791, 107.5925)),
    ("Mai Thúc Loan – Đinh Tiên Hoàng", p(16.4756, 107.5766)),
    ("Mai Thúc Loan – Huỳnh Thúc Kháng", p(16.4794, 107.5848)),
    ("Bà Triệu – Tố Hữu", p(16.4637, 107.598)),
    ("Bà Triệu – Phạm Văn Đồng", p(16.4696, 107.6025)),
    ("Phạm Văn Đồng – Lưu Hữu Phước", p(16.4755, 107.6093)),
    ("Phạm Văn Đồng – Nguyễn Lương Bằng", p(16.4822, 107.6151)),
    ("An Dương Vương – Ngự Bình", p(16.4515, 107.603)),
    ("An Dương Vương – Hoàng Quốc Việt", p(16.4464, 107.6089)),
    ("Tố Hữu – Hoàng Quốc Việt", p(16.4612, 107.6118)),
    ("Kim Long – Vạn Xuân", p(16.4582, 107.5672)),
];
