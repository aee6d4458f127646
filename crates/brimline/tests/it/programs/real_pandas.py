"""pandas: frames from text, grouping, joins, pivoting, resampling."""
import io

import numpy as np
import pandas as pd

random = np.random.default_rng(7)
frame = pd.DataFrame(
    {
        "day": pd.date_range("2024-01-01", periods=20_000, freq="h"),
        "shop": random.integers(0, 40, 20_000),
        "item": random.choice(["tea", "coffee", "cake", "bread"], 20_000),
        "amount": random.normal(20, 5, 20_000).round(2),
    }
)
text = frame.to_csv(index=False)
again = pd.read_csv(io.StringIO(text), parse_dates=["day"])
by_shop = again.groupby(["shop", "item"])["amount"].agg(["sum", "mean", "count"]).reset_index()
shops = pd.DataFrame({"shop": range(40), "city": [f"city {n % 7}" for n in range(40)]})
joined = by_shop.merge(shops, on="shop").pivot_table(index="city", columns="item", values="sum", aggfunc="sum")
weekly = again.set_index("day")["amount"].resample("W").mean().rolling(4).mean().dropna()
print(joined.round(1).to_string())
print(len(weekly), round(float(weekly.iloc[-1]), 3), again["item"].str.upper().value_counts().sort_index().to_dict())
