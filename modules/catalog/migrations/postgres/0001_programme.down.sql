DROP TABLE event_view;
DROP TABLE venue_view;
DROP TABLE organizer_member;
DROP TABLE organizer_view;
