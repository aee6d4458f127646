from lxml import etree
def build():
    root = etree.Element("root")
    for n in range(200):
        child = etree.SubElement(root, "child", key=str(n))
        child.text = "text %d" % n
    return root
def parse(data):
    return etree.fromstring(data)
def query(root):
    return root.xpath("//child[@key='7']")
def transform(root):
    style = etree.XSLT(etree.XML('''<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/"><out><xsl:for-each select="//child"><c><xsl:value-of select="@key"/></c></xsl:for-each></out></xsl:template></xsl:stylesheet>'''))
    return style(root)
root = build()
data = etree.tostring(root)
again = parse(data)
query(again)
transform(again)
