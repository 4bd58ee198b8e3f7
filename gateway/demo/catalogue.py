"""The price list and the insurance plans of the demo: real-looking, invented numbers, fixed for ever.

Classes as in Chinese basic medical insurance: 甲 (A) counts whole, of 乙 (B) the patient first pays a share,
丙 (C) is not covered. Money is an integer number of fen (1/100 yuan) everywhere inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

Class = Literal["A", "B", "C"]


@dataclass(frozen=True, slots=True)
class Entry:
    code: str
    zh: str
    en: str
    unit: str
    price: int
    """Fen per unit."""
    reimbursement: Class
    own_share: Decimal = Decimal(0)
    """Class B: what part of the price the patient pays before anything else."""


@dataclass(frozen=True, slots=True)
class Plan:
    zh: str
    en: str
    deductible: int
    """Fen a year that the patient pays before the fund does (起付线)."""
    ratio: Decimal
    """The fund's part of what lies above (报销比例)."""
    ceiling: int
    """Fen a year that the fund pays at most (封顶线)."""


_ENTRIES = (
    Entry("XA10BA02", "盐酸二甲双胍片 0.5g×30", "Metformin tablets 0.5 g × 30", "盒", 2_160, "A"),
    Entry("XC08CA01", "苯磺酸氨氯地平片 5mg×28", "Amlodipine tablets 5 mg × 28", "盒", 1_890, "A"),
    Entry("XJ01CA04", "阿莫西林胶囊 0.25g×24", "Amoxicillin capsules 0.25 g × 24", "盒", 1_280, "A"),
    Entry("XC10AA05", "阿托伐他汀钙片 20mg×7", "Atorvastatin tablets 20 mg × 7", "盒", 3_950, "B", Decimal("0.10")),
    Entry("XB01AC04", "硫酸氢氯吡格雷片 75mg×7", "Clopidogrel tablets 75 mg × 7", "盒", 8_820, "B", Decimal("0.10")),
    Entry("XA10AE04", "甘精胰岛素注射液 3ml:300u", "Insulin glargine 3 ml:300 u", "支", 7_010, "B", Decimal("0.20")),
    Entry("ZA04BAL0", "六味地黄丸 200丸", "Liuwei Dihuang pills × 200", "瓶", 1_650, "B", Decimal("0.05")),
    Entry("TBJ00001", "人参养荣膏 300g", "Ginseng tonic paste 300 g", "瓶", 19_800, "C"),
    Entry("F110200001", "普通门诊诊查费", "Outpatient consultation", "次", 1_200, "A"),
    Entry("F250101015", "血细胞分析(五分类)", "Full blood count, five-part", "次", 2_000, "A"),
    Entry("F220301001", "彩色多普勒超声检查", "Colour Doppler ultrasound", "部位", 12_000, "B", Decimal("0.10")),
    Entry("F210300001", "X线计算机体层(CT)平扫", "CT scan, plain", "部位", 22_000, "B", Decimal("0.15")),
    Entry("F210200001", "磁共振平扫(MRI)", "MRI scan, plain", "部位", 48_000, "B", Decimal("0.20")),
)

CATALOGUE: Mapping[str, Entry] = MappingProxyType({entry.code: entry for entry in _ENTRIES})

PLANS: Mapping[str, Plan] = MappingProxyType(
    {
        "employee": Plan("职工基本医疗保险", "employees", 50_000, Decimal("0.85"), 15_000_000),
        "resident": Plan("城乡居民基本医疗保险", "residents", 60_000, Decimal("0.65"), 8_000_000),
    }
)
