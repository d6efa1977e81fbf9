//! What someone who guesses passwords of this center tries first, beside the lists of the estimator, which know little
//! Vietnamese. Written as [`ioc_model::text::fold`] does.

/// The product, the city, what people here are and do.
pub(super) const PLACES_AND_WORK: [&str; 23] = [
    "ioc",
    "hue",
    "thanhphohue",
    "thanhpho",
    "thuathienhue",
    "songhuong",
    "trangtien",
    "vietnam",
    "smartcity",
    "dothi",
    "matkhau",
    "quantri",
    "dieuhanh",
    "giamsat",
    "trungtam",
    "anhyeuem",
    "admin",
    "operator",
    "engineer",
    "viewer",
    "wall",
    "camera",
    "xinchao",
];

/// Frequent family, middle and given names.
pub(super) const NAMES: [&str; 91] = [
    "nguyen", "tran", "pham", "hoang", "huynh", "phan", "dang", "bui", "ngo", "duong", "trinh", "dinh",
    "mai", "lam", "doan", "truong", "cao", "luong", "luu", "chau", "thi", "van", "anh", "binh", "chi",
    "cuong", "dung", "duc", "dat", "giang", "hai", "hanh", "hang", "hien", "hieu", "hoa", "hong", "hung",
    "huong", "huy", "khanh", "khoa", "kien", "lan", "linh", "loan", "long", "minh", "nam", "nga", "ngan",
    "ngoc", "nhan", "nhi", "nhung", "oanh", "phat", "phong", "phuc", "phuong", "quan", "quang", "quynh",
    "son", "tam", "tan", "thang", "thanh", "thao", "thien", "thinh", "thu", "thuan", "thuy", "tien", "toan",
    "trang", "tri", "trung", "tuan", "tung", "tuyen", "uyen", "viet", "vinh", "vuong", "xuan", "yen",
    "khang", "bao", "gia",
];
