"""lxml: building, XPath, XSLT, HTML, iterative parsing."""
import io

from lxml import etree, html

root = etree.Element("shop")
for number in range(2000):
    item = etree.SubElement(root, "item", id=str(number), kind=f"k{number % 11}")
    etree.SubElement(item, "name").text = f"item {number} \u20ac"
    etree.SubElement(item, "price").text = str(number * 3 % 101)
text = etree.tostring(root, encoding="utf-8")
again = etree.fromstring(text)
print(len(again.xpath("//item[@kind='k3'][price > 50]/name")), again.xpath("sum(//price)"))
style = etree.XSLT(etree.XML(
    '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/">'
    '<ul><xsl:for-each select="//item[position() mod 100 = 0]"><li><xsl:value-of select="name"/></li></xsl:for-each></ul>'
    "</xsl:template></xsl:stylesheet>"
))
print(len(str(style(again))))
count = 0
for _, element in etree.iterparse(io.BytesIO(text), tag="item"):
    count += len(element)
    element.clear()
print(count, len(html.fromstring("<p>" + "<a href=x>y</a>" * 500).xpath("//a")))
