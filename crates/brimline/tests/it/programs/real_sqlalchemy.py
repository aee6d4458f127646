"""SQLAlchemy: the ORM on SQLite with relationships, joins and a rolled-back transaction."""
from typing import List

from sqlalchemy import ForeignKey, create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, selectinload


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    books: Mapped[List["Book"]] = relationship(back_populates="author", cascade="all, delete-orphan")


class Book(Base):
    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"))
    author: Mapped[Author] = relationship(back_populates="books")


engine = create_engine("sqlite://")
Base.metadata.create_all(engine)
with Session(engine) as session:
    for number in range(200):
        books = [Book(title=f"book {number}-{k}") for k in range(number % 9)]
        session.add(Author(name=f"author {number}", books=books))
    session.commit()
    query = select(Author.name, func.count(Book.id)).join(Book).group_by(Author.id).order_by(Author.id)
    print(session.execute(query).all()[:3])
    session.expire_all()
    loaded = session.scalars(select(Author).options(selectinload(Author.books))).all()
    print(sum(len(author.books) for author in loaded))
    for author in loaded[::2]:
        session.delete(author)
    session.rollback()
    print(session.scalar(select(func.count()).select_from(Book)))
